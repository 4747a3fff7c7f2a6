import Foundation
import MillraceRuntime
import Testing

@testable import MillraceObservability

@Suite struct MetricsEndpointTests {
    private func snapshot() -> PipelineMetrics.Snapshot {
        let metrics = PipelineMetrics()
        metrics.polled(source: 0, records: 7)
        metrics.wrote(sink: "scores", rows: 5)
        metrics.committed(rows: 5, latencies: [1500, 2500])
        metrics.advanced(source: 0, watermark: 1_700_000_000_250)
        let window = StateSize(rows: 3, keys: 2, bytes: 400)
        metrics.holds(
            [OperatorState(node: 4, kind: "WindowAggregate", object: "a \"b\"\\", size: window)], shard: 0)
        // Only the newest report of a shard counts; shards add up.
        metrics.holds(
            [OperatorState(node: 4, kind: "WindowAggregate", object: "a \"b\"\\", size: window)], shard: 1)
        metrics.holds(
            [
                OperatorState(
                    node: 4, kind: "WindowAggregate", object: "a \"b\"\\", size: StateSize(rows: 1, keys: 1, bytes: 100)
                ),
                OperatorState(node: 2, kind: "Over", object: "v", size: StateSize(rows: 9, keys: 8, bytes: 7)),
            ], shard: 1)
        return metrics.snapshot()
    }

    @Test func textIsPrometheus() {
        let text = PrometheusText.text(snapshot(), pipeline: "p")
        let lines = text.split(separator: "\n")
        for expected in [
            #"millrace_source_records_total{pipeline="p"} 7"#,
            #"millrace_sink_rows_total{pipeline="p",sink="scores"} 5"#,
            #"millrace_event_to_commit_seconds{pipeline="p",quantile="0.5"} 0.001500"#,
            #"millrace_event_to_commit_seconds_count{pipeline="p"} 2"#,
            #"millrace_event_to_commit_seconds_sum{pipeline="p"} 0.004000"#,
            #"millrace_watermark_seconds{pipeline="p"} 1700000000.250000"#,
            #"millrace_state_rows{pipeline="p",node="2",operator="Over",object="v"} 9"#,
            #"millrace_state_rows{pipeline="p",node="4",operator="WindowAggregate",object="a \"b\"\\"} 4"#,
            #"millrace_state_keys{pipeline="p",node="4",operator="WindowAggregate",object="a \"b\"\\"} 3"#,
            #"millrace_state_bytes{pipeline="p",node="4",operator="WindowAggregate",object="a \"b\"\\"} 500"#,
        ] { #expect(lines.contains { $0 == expected }, "\(expected)\n\(text)") }
        // Every sample follows the TYPE of its family.
        var family = ""
        for line in lines {
            if line.hasPrefix("# TYPE ") { family = String(line.split(separator: " ")[2]) }
            if !line.hasPrefix("#") { #expect(line.hasPrefix(family), "\(line)") }
        }
    }

    private func ask(_ port: UInt16, _ request: String, during serve: () -> Void) -> String {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        let bytes = Array(request.utf8)
        #expect(send(client, bytes, bytes.count, 0) == bytes.count)
        shutdown(client, Int32(SHUT_WR))
        serve()
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(client, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            answer.append(contentsOf: buffer[..<count])
        }
        return String(decoding: answer, as: UTF8.self)
    }

    @Test(arguments: [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK", "page"),
        ("GET /metrics?a=b HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK", "page"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK", ""),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found", "GET /metrics\n"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed", "GET /metrics\n"),
        ("what\r\n\r\n", "HTTP/1.1 400 Bad Request", "not HTTP\n"),
        ("GET /metr", "", ""),
    ]) func answers(_ request: String, _ status: String, _ body: String) throws {
        let endpoint = try MetricsEndpoint(address: "localhost:0")
        let port = try #require(UInt16(endpoint.address.split(separator: ":")[1]))
        let answer = ask(port, request) { endpoint.serve { "page" } }
        #expect(answer.hasPrefix(status))
        #expect(answer.isEmpty || answer.hasSuffix("\r\n\r\n" + body), "\(answer)")
        #expect(answer.isEmpty == status.isEmpty)
    }

    @Test(arguments: ["9464", "host:9464", "127.0.0.1:99999", "::1", ""]) func refusesOtherAddresses(_ text: String) {
        #expect(throws: (any Error).self) { try MetricsEndpoint(address: text) }
    }
}
