import Foundation
import Testing
import Workloads

/// `bench` with little of everything: answers, not times.
@Suite(
    .serialized,
    .enabled(if: Program.hasMillrace, "no millrace at .build/debug/millrace: swift build --product millrace"))
struct EndToEndTests {
    private let results = FileManager.default.temporaryDirectory.appendingPathComponent(
        "bench-\(UUID().uuidString).jsonl"
    ).path

    private func bench(_ arguments: String...) throws -> (status: Int32, text: String) {
        let broker = Program.broker.map { ["--bootstrap", $0] } ?? []
        return try Program.run("bench", ["--millrace", Program.millrace] + broker + arguments)
    }

    private func records() throws -> [FlatRecord] {
        try String(contentsOfFile: results, encoding: .utf8).split(separator: "\n").map {
            try #require(FlatRecord(line: $0), "\($0)")
        }
    }

    @Test func measuresBothJobs() throws {
        defer { try? FileManager.default.removeItem(atPath: results) }
        let (status, text) = try bench(
            "--rates", "400", "--seconds", "2", "--warmup", "0.5", "--idle", "0.2", "--backlog-a", "6000",
            "--backlog-b",
            "250000", "--json", results)
        #expect(status == 0, "\(text)")
        let records = try records()
        #expect(
            records.map { ($0.text("job") ?? "") + ($0["rate"] == nil ? " backlog" : "") } == [
                "a", "a backlog", "b", "b backlog",
            ])
        for record in records {
            #expect(record.text("problem") == "", "\(record.line)")
            // Job A: a row an event; job B: nine regions a window.
            let rows = try #require(record.number("rows"))
            switch (record.text("job"), record.number("rate")) {
            case ("a", .some): #expect(rows == 1000)
            case ("a", nil): #expect(rows == 6000)
            case (_, .some): #expect(rows == 27)  // 2.5 s from a quarter past a second: three windows
            default: #expect(rows == 27)  // 12.5 s of event time in windows of 5 s
            }
            for name in ["events_per_s", "events_per_s_per_core", "engine_cores", "peak_mb", "start_s"] {
                #expect(try #require(record.number(name), "\(name) in \(record.line)") > 0)
            }
            if record["rate"] != nil {
                let percentiles = try ["p50_ms", "p90_ms", "p99_ms", "p999_ms"].map { try #require(record.number($0)) }
                #expect(percentiles == percentiles.sorted() && percentiles[0] > 0)
                #expect(record.number("idle_cores") != nil)
                // What was due before the warm-up ended does not count: half a second of 400, or of windows of nine rows.
                #expect(record.number("samples") == (record.text("job") == "a" ? 800 : 9))
            }
            for name in ["commit", "processor", "kernel", "postgresql", "librdkafka"] {
                #expect(record.text(name)?.isEmpty == false)
            }
        }
        #expect(text.contains("| p99.9 "))
    }

    /// An engine that writes too much and the wrong thing is found out, and the run fails.
    @Test func findsWrongRows() throws {
        defer { try? FileManager.default.removeItem(atPath: results) }
        let floor = """
            psql -q {PGURL} -c "INSERT INTO {TABLE} SELECT i, 1, 'x', 0, 'US', 0.5 FROM generate_series(0, {N} - 1) i \
            UNION ALL SELECT 5, 1, 'x', 0, 'US', 0.5"
            """
        let (status, text) = try bench(
            "--jobs", "a", "--rates", "none", "--backlog-a", "2000", "--json", results, "--floor", floor)
        #expect(status == 1)
        #expect(text.contains("WRONG: floor, job A, backlog of 2,000: rows 1 doubled, 2,001 wrong"), "\(text)")
        #expect(text.contains("| p50 x "))
        let own = try #require(try records().first)
        #expect(own.text("engine") == "millrace")
        #expect(own.text("problem") == "")

        // A comparison with these results names what changed.
        let again = try bench("--jobs", "a", "--rates", "none", "--backlog-a", "2000", "--compare", results)
        #expect(again.status == 0, "\(again.text)")
        #expect(again.text.contains("\nchange\n"))
        #expect(again.text.contains(" %"))
    }

    @Test func refusesWhatItCannotRun() throws {
        #expect(
            try Program.run("bench", ["--millrace", "/no/such/program"]).text.contains("no program at /no/such/program")
        )
        let (status, text) = try bench(
            "--floor", "program {TOPICS}", "--jobs", "a", "--rates", "none", "--backlog-a", "10")
        #expect(status == 1)
        #expect(text.contains("{TOPICS} is not known"), "\(text)")
    }
}
