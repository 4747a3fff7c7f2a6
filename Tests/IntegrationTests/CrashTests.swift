import Foundation
import MillracePostgres
import Testing

extension IntegrationTests {
    /// Whatever dies in between, the tables equal a batch recomputation.
    @Suite struct CrashTests {
        /// Sends the births in small lots from a thread of its own, so that the pipelines never stand still for long.
        private final class Feed: @unchecked Sendable {
            // `done` and `failure` are behind the lock.
            private let lock = NSLock()
            private var done = false
            private var failure: (any Error)?

            init(
                _ births: Births, _ producer: TestProducer, range: Range<Int>? = nil, lot: Int,
                pauseMicroseconds: UInt32
            ) {
                Thread { [self] in
                    let range = range ?? 0..<births.all.count
                    do {
                        for first in stride(from: range.lowerBound, to: range.upperBound, by: lot) {
                            try births.send(first..<min(first + lot, range.upperBound), to: producer)
                            usleep(pauseMicroseconds)
                        }
                    } catch {
                        lock.withLock { failure = error }
                    }
                    lock.withLock { done = true }
                }.start()
            }

            var isDone: Bool { lock.withLock { done } }
            func check() throws { if let failure = lock.withLock({ failure }) { throw failure } }
        }

        /// Runs until every window is there, stops, and compares with the recomputation.
        private func finishAndCompare(_ bench: Workbench, _ births: Births, _ process: MillraceProcess) throws {
            try births.load(into: bench)
            let windows = bench.value(
                """
                SELECT count(*) FROM (SELECT DISTINCT date_bin('1 s', event_time, '2000-01-01') - hop * INTERVAL '1 s'
                FROM raw, generate_series(0, 2) AS hop) w
                """)
            // The last windows close by the idle rule: the timeout, then event time follows the wall clock.
            do {
                try eventually("all windows", seconds: 40) {
                    bench.count("predictions") >= births.all.count && bench.count("hopping") >= Int(windows ?? "")!
                }
            } catch {
                let offsets = (try? bench.sql("SELECT * FROM millrace.offsets")) ?? []
                Issue.record(
                    """
                    \(bench.count("predictions")) predictions, \(bench.count("hopping")) of \(windows ?? "") windows, \
                    offsets \(offsets)\n\(process.standardError)
                    """)
                throw error
            }
            print("peak memory \(process.peakMemoryMebibytes) MiB")
            #expect(process.peakMemoryMebibytes < 300)
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
            let batch = try bench.run(
                try bench.pipeline(
                    Births.sql(suffix: "_batch", options: ", 'scan.bounded.mode' = 'latest-offset'"), name: "batch"))
            #expect(try batch.wait() == 0, "\(batch.standardError)")
            for difference in Births.differences {
                #expect(
                    try bench.sql(difference.sql) == [["0"]],
                    "\(difference.name), first run's messages:\n\(process.standardError)")
            }
        }

        /// `nil`: another number of shards at each start.
        @Test(arguments: [1, 2, nil])
        func killedAgainAndAgain(shards: Int?) throws {
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let bench = try Workbench(partitions: Births.partitions)
            let births = Births(count: 20_000, millisecondsBetween: 5, seed: seed)
            let file = try bench.pipeline(Births.sql())
            let producer = try bench.producer()
            try births.send(0..<Births.partitions, to: producer)
            let feed = Feed(
                births, producer, range: Births.partitions..<births.all.count, lot: 250, pauseMicroseconds: 100_000)
            var kills = 0
            var restarts: [Double] = []
            var stored = 0
            func shardCount() -> String { String(shards ?? Int.random(in: 1...4, using: &random)) }
            // On a busy machine ten lives may be too short to commit anything.
            while kills < 10 || stored == 0 && kills < 40 {
                let process = try bench.run(file, "--shards", shardCount())
                let begin = Date()
                let end = begin.addingTimeInterval(Double.random(in: 0.1...1.5, using: &random))
                var moved: Double?
                while Date() < end {
                    usleep(20_000)
                    if moved == nil, bench.count("predictions") > stored { moved = Date().timeIntervalSince(begin) }
                }
                process.kill()
                kills += 1
                stored = bench.count("predictions")
                if let moved { restarts.append(moved) }
            }
            print("\(kills) kills; seconds from start to the first new committed row: \(restarts)")
            // At least one run must have got on, else nothing was interrupted.
            #expect(stored > 0)
            let process = try bench.run(file, "--shards", shardCount())
            try eventually("all events sent") { feed.isDone }
            try feed.check()
            try finishAndCompare(bench, births, process)
        }

        @Test func databaseCrashes() throws {
            let bench = try Workbench(partitions: Births.partitions)
            let births = Births(count: 8_000, millisecondsBetween: 5, seed: SeededGenerator.seed)
            // An outage longer than what a consumer group would allow between two polls.
            let file = try bench.pipeline(
                Births.sql(
                    options: """
                        , 'properties.max.poll.interval.ms' = '2000', 'properties.session.timeout.ms' = '1000'
                        , 'properties.heartbeat.interval.ms' = '300'
                        """))
            let producer = try bench.producer()
            try births.send(0..<Births.partitions, to: producer)
            let process = try bench.run(file)
            let feed = Feed(
                births, producer, range: Births.partitions..<births.all.count, lot: 200, pauseMicroseconds: 100_000)
            try eventually("first rows") { bench.count("predictions") > 500 }
            bench.server.stop(immediately: true)
            sleep(3)
            #expect(process.isRunning, "\(process.standardError)")
            try bench.server.start()
            let begin = Date()
            let before = bench.count("predictions")
            try eventually("rows after the outage") { bench.count("predictions") > before }
            print("rows again \(Date().timeIntervalSince(begin)) s after PostgreSQL was back")
            bench.server.stop(immediately: true)
            try bench.server.start()
            try eventually("all events sent") { feed.isDone }
            try feed.check()
            #expect(process.isRunning, "\(process.standardError)")
            try finishAndCompare(bench, births, process)
        }

        @Test func brokerAway() throws {
            let broker = try TestBroker()
            defer { broker.close() }
            let bench = try Workbench(partitions: Births.partitions, broker: broker)
            let births = Births(count: 4_000, millisecondsBetween: 5, seed: SeededGenerator.seed)
            let file = try bench.pipeline(Births.sql(idleSeconds: 8))
            try births.send(0..<2_000, to: try bench.producer())
            let process = try bench.run(file)
            try eventually("first rows") { bench.count("predictions") == 2_000 }
            let stopped = Date()
            // Takes the broker up to five seconds.
            try broker.stop()
            // Longer than the idle timeout: event time must not run ahead while nobody knows what the broker has.
            while Date().timeIntervalSince(stopped) < 10 { usleep(100_000) }
            #expect(process.isRunning, "\(process.standardError)")
            try broker.start()
            let begin = Date()
            // In lots shorter than the slack of the watermark: idle partitions do not hold it back.
            let producer = try bench.producer()
            for first in stride(from: 2_000, to: 4_000, by: 20) { try births.send(first..<first + 20, to: producer) }
            try eventually("rows after the outage") { bench.count("predictions") > 2_000 }
            print("rows again \(Date().timeIntervalSince(begin)) s after the broker was back")
            try finishAndCompare(bench, births, process)
        }
    }
}
