import Foundation
import MillraceCore
import MillracePlanner
import Testing

/// `Golden/name.sql` in, `Golden/name.txt` out: the plan, or every error. MILLRACE_UPDATE_GOLDEN=1 rewrites the texts.
@Suite struct GoldenTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Golden")
    static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".sql") }.map { String($0.dropLast(4)) }.sorted()
    }

    @Test(arguments: names) func golden(_ name: String) throws {
        let file = name + ".sql"
        let source = try String(contentsOf: Self.folder.appendingPathComponent(file), encoding: .utf8)
        let result = Planner(registry: TestRegistry.registry, variables: ["brokers": "localhost:9092"]).plan(
            source, name: name)
        var text = result.diagnostics.map { $0.rendered(file: file, source: source) + "\n" }.joined(separator: "\n")
        if let plan = result.plan {
            text += Explain.text(plan)
            PlannerTests.expectConsistent(plan)
        }
        let place = Self.folder.appendingPathComponent("\(name).txt")
        if ProcessInfo.processInfo.environment["MILLRACE_UPDATE_GOLDEN"] == "1" {
            try text.write(to: place, atomically: true, encoding: .utf8)
        }
        let expected = try String(contentsOf: place, encoding: .utf8)
        #expect(text == expected)
    }

    @Test func goldenFilesExist() { #expect(Self.names.count >= 10) }
}
