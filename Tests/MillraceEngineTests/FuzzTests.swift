import Foundation
import MillraceCore
import MillraceEngine
import MillraceTestSupport
import Testing

/// Broken files are answered with a plan or with errors: no trap, no hang, bounded memory.
///
/// `MILLRACE_FUZZ_SECONDS` runs as long as it says, from `MILLRACE_SEED` on, and keeps the text it is at in
/// `MILLRACE_FUZZ_INPUT`: Scripts/fuzz-sql.
@Suite struct FuzzTests {
    /// Every SQL text of the golden tests, the examples and the manual.
    static let corpus: [String] = {
        let tests = GoldenTests.folder.deletingLastPathComponent().deletingLastPathComponent()
        let root = tests.deletingLastPathComponent()
        var texts = GoldenTests.cases.compactMap { name in
            (try? String(contentsOf: GoldenTests.folder.appendingPathComponent(name), encoding: .utf8)).flatMap {
                text in
                GoldenCase(text).sections.first { $0.kind == "sql" }?.text
            }
        }
        for folder in [
            tests.appendingPathComponent("MillracePlannerTests/Golden"), root.appendingPathComponent("pipelines"),
        ] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            texts += names.sorted().filter { $0.hasSuffix(".sql") }.compactMap {
                try? String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
            }
        }
        return texts
    }()

    /// Plans and renders; returns what is wrong with the answer.
    private static func check(_ text: String) -> String? {
        let file = PipelineFile(path: "f.sql", text: text, variables: ["dir": "/d", "models": "/m", "brokers": "b"])
        if file.plan == nil, !file.diagnostics.contains(where: { $0.severity == .error }) {
            return "no plan and no error"
        }
        if file.plan != nil, file.explanation.isEmpty { return "no explanation" }
        let end = text.utf8.count
        for diagnostic in file.diagnostics {
            if diagnostic.message.isEmpty { return "an error without a message" }
            if diagnostic.range.start.offset > end || diagnostic.range.end < diagnostic.range.start {
                return "a place outside the text: \(diagnostic.message)"
            }
            if diagnostic.rendered(file: "f.sql", source: text).isEmpty { return "nothing to show" }
        }
        return nil
    }

    @Test(.timeLimit(.minutes(60))) func mutatedFilesAreAnswered() throws {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["MILLRACE_FUZZ_SECONDS"].flatMap(Double.init)
        let first = environment["MILLRACE_SEED"].flatMap(UInt64.init) ?? 1
        let input = environment["MILLRACE_FUZZ_INPUT"].map { URL(fileURLWithPath: $0) }
        try #require(Self.corpus.count > 50)
        let start = ContinuousClock.now
        var seed = first
        while seconds.map({ start.duration(to: .now) < .seconds($0) }) ?? (seed < first + 400) {
            var mutator = SQLMutator(generator: SeededGenerator(seed: seed), corpus: Self.corpus)
            let text = mutator.mutated(Self.corpus[Int(seed % UInt64(Self.corpus.count))])
            if let input { try Data(text.utf8).write(to: input) }
            let before = ContinuousClock.now
            let fault = Self.check(text)
            #expect(fault == nil, "MILLRACE_SEED=\(seed)")
            let time = before.duration(to: .now)
            #expect(time < .seconds(20), "MILLRACE_SEED=\(seed) took \(time)")
            if fault != nil { return }
            seed += 1
        }
    }

    // MARK: Size and depth

    private static let ddl = """
        CREATE TABLE t (a INT, b STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');
        CREATE TABLE o (a INT) WITH ('connector' = 'print');

        """

    private static func file(_ text: String) -> PipelineFile {
        PipelineFile(path: "f.sql", text: ddl + text, variables: [:])
    }

    private static func nested(_ before: String, _ inner: String, _ after: String, _ depth: Int) -> String {
        String(repeating: before, count: depth) + inner + String(repeating: after, count: depth)
    }

    /// A view on a view on a view.
    private static func views(_ count: Int, _ query: (Int) -> String) -> String {
        (1...count).reduce(into: "CREATE VIEW v0 AS SELECT a, b, ts FROM t;\n") { text, level in
            text += "CREATE VIEW v\(level) AS \(query(level - 1));\n"
        } + "INSERT INTO o SELECT a FROM v\(count);"
    }

    /// What is within the limits is planned, however deep it is.
    static let large: [(String, String)] = [
        ("views", views(1000) { "SELECT * FROM v\($0) WHERE a > \($0)" }),
        // Text of linear length whose expression, written out, would have 2^40 leaves.
        ("doubled", views(40) { "SELECT a + a AS a, b, ts FROM v\($0)" }),
        ("doubled unions", views(40) { "SELECT * FROM v\($0) UNION ALL SELECT * FROM v\($0)" }),
        ("sum", "INSERT INTO o SELECT a" + String(repeating: " + 1", count: 480) + " FROM t;"),
        ("functions", "INSERT INTO o SELECT \(nested("ABS(", "a", ")", 90)) FROM t;"),
        ("cases", "INSERT INTO o SELECT \(nested("CASE WHEN a > 1 THEN ", "a", " ELSE 1 END", 90)) FROM t;"),
        ("sub-queries", "INSERT INTO o SELECT a FROM \(nested("(SELECT a FROM ", "t", ")", 90));"),
        ("values", "INSERT INTO o VALUES " + (0..<5000).map { "(\($0))" }.joined(separator: ",") + ";"),
        (
            "list",
            "INSERT INTO o SELECT a FROM t WHERE a IN (" + (0..<20_000).map { "\($0)" }.joined(separator: ",") + ");"
        ),
        ("unions", "INSERT INTO o SELECT a FROM t" + String(repeating: " UNION ALL SELECT a FROM t", count: 400) + ";"),
        ("inserts", String(repeating: "INSERT INTO o SELECT a FROM t;\n", count: 1000)),
        ("string", "INSERT INTO o SELECT CHAR_LENGTH('\(String(repeating: "x", count: 1_000_000))') FROM t;"),
    ]

    @Test(.timeLimit(.minutes(5)), arguments: large.indices) func largeFilesArePlanned(_ index: Int) {
        let file = Self.file(Self.large[index].1)
        #expect(file.diagnostics.isEmpty, "\(Self.large[index].0)")
        #expect(file.plan != nil)
    }

    /// What is beyond them is an error that says so, in one place.
    static let beyond: [(String, String)] = [
        ("nesting is deeper", "INSERT INTO o SELECT a FROM \(nested("(SELECT a FROM ", "t", ")", 5000));"),
        ("nesting is deeper", "INSERT INTO o SELECT \(nested("ABS(", "a", ")", 100_000)) FROM t;"),
        ("nesting is deeper", "CREATE TABLE r (x \(nested("ROW<x ", "INT", ">", 100_000)));"),
        ("deeper than", "INSERT INTO o SELECT a" + String(repeating: " + 1", count: 100_000) + " FROM t;"),
        (
            "deeper than",
            "INSERT INTO o SELECT a FROM t WHERE a = 1" + String(repeating: " OR a = 2", count: 100_000) + ";"
        ),
        ("more than 10000 columns", views(40) { "SELECT *, * FROM v\($0)" }),
        ("more errors are not shown", String(repeating: "INSERT INTO o SELECT zz FROM t;\n", count: 3000)),
    ]

    @Test(.timeLimit(.minutes(5)), arguments: beyond.indices) func filesBeyondTheLimitsAreErrors(_ index: Int) {
        let file = Self.file(Self.beyond[index].1)
        #expect(file.plan == nil)
        #expect(file.diagnostics.contains { $0.message.contains(Self.beyond[index].0) }, "\(Self.beyond[index].0)")
        #expect(file.diagnostics.count <= 101)
    }

    /// Long runs of anything: time and memory stay linear. The peak is the process's, so the bound is wide.
    @Test(.timeLimit(.minutes(5))) func memoryStaysBounded() {
        /// Linux says it; elsewhere the texts are planned all the same.
        func peakKilobytes() -> Int {
            guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
                let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
            else { return 0 }
            return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
        }
        let before = peakKilobytes()
        for piece in [
            "(", "'", "\"", "`", "/*", "/*+ ", "a.", "a, ", "NOT ", "SELECT ", "é", "1e", "[", "INSERT INTO o SELECT ",
            "\n",
        ] {
            let text = String(repeating: piece, count: 1_000_000 / piece.utf8.count)
            #expect(Self.check(text) == nil, "\(piece)")
            #expect(Self.check(Self.ddl + "INSERT INTO o SELECT " + text) == nil, "\(piece)")
        }
        #expect(peakKilobytes() - before < 3_000_000)
    }
}
