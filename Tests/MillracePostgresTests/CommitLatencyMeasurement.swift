import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillracePostgres

/// By hand: `MILLRACE_MEASURE=1 swift test -c release --filter CommitLatencyMeasurement`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["MILLRACE_MEASURE"] != nil))
struct CommitLatencyMeasurement {
    @Test(arguments: ["sync", "async"])
    func roundTrip(_ commit: String) throws {
        let server = try PrivatePostgres(settings: [])
        defer { server.close() }
        let database = try TestDatabase(server)
        let fields = [Field("id", .bigInt), Field("name", .string), Field("x", .double)]
        let plan = database.sinkPlan("m", fields, options: ["create-table": "true", "sink.commit": commit])
        let session = try PostgresConnector.makeSinkSession(sinks: [plan], shard: 0)
        try session.open()
        let sink = try PostgresConnector.makeSink(plan, in: session)
        let arena = BatchArena()
        let clock = SystemClock()
        var ticket: Int64 = 0
        for rows in [1, 100, 1000] {
            let input = batch(
                fields, (0..<rows).map { [.integer(Int64($0)), .string("name \($0)"), .double(0.5)] }, arena)
            var times: [Int64] = []
            for _ in 0..<(rows == 1 ? 2000 : 200) {
                let start = clock.monotonicMicroseconds()
                try sink.write(input) { _, _, _ in }
                try session.submit(ticket)
                try session.wait(for: ticket)
                times.append(clock.monotonicMicroseconds() - start)
                ticket += 1
            }
            times.sort()
            print("\(commit) rows \(rows): p50 \(times[times.count / 2]) us, p99 \(times[times.count * 99 / 100]) us")
        }
    }
}
