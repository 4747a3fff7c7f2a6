import Foundation
import MillraceCore
import MillraceEngine
import Nexmark
import Testing

/// Every Nexmark query that is there, over a small run of the generator, against the slow answer.
@Suite struct NexmarkTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Benchmarks/nexmark")

    /// A hundred seconds, so that windows and sessions end; from 23:59, so that there are two days and several hours.
    static let events: [NexmarkEvent] = {
        var configuration = NexmarkGenerator.Configuration()
        configuration.events = 20_000
        configuration.eventsPerSecond = 200
        configuration.firstTime = 1_436_918_400_000 - 60_000
        configuration.disorder = 100
        configuration.seed = 7
        return Array(NexmarkGenerator(configuration).events)
    }()
    static let answers = NexmarkAnswers(events)
    static let input = events.map { $0.json + "\n" }.joined()

    @Test(arguments: NexmarkAnswers.queries) func query(_ number: Int) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "millrace-nexmark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try Self.input.write(to: directory.appendingPathComponent("events.json"), atomically: true, encoding: .utf8)
        try NexmarkAnswers.sideInput.write(
            to: directory.appendingPathComponent("side_input.csv"), atomically: true, encoding: .utf8)
        let tables = try String(contentsOf: Self.folder.appendingPathComponent("tables.sql"), encoding: .utf8)
        let query = try String(
            contentsOf: Self.folder.appendingPathComponent("queries/q\(number).sql"), encoding: .utf8)
        let file = PipelineFile(path: "q\(number).sql", text: tables + query, variables: ["dir": directory.path])
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        var options = PipelineOptions()
        options.baseDirectory = directory.path
        let pipeline = Pipeline(plan: plan, options: options)
        try pipeline.start()
        try pipeline.wait()
        let written = try String(contentsOf: directory.appendingPathComponent("answer.json"), encoding: .utf8)
        let rows = NexmarkAnswers.comparable(number, written.split(separator: "\n").map(String.init)).sorted()
        let expected = try #require(Self.answers.rows(number)).sorted()
        #expect(expected.count > 1)
        #expect(rows.count == expected.count)
        let different = zip(rows, expected).first { $0 != $1 }
        #expect(different == nil, "\(different.map { "\($0.0)\nis not\n\($0.1)" } ?? "")")
    }

    /// No query file without an answer.
    @Test func everyQueryIsChecked() throws {
        let names = try FileManager.default.contentsOfDirectory(
            atPath: Self.folder.appendingPathComponent("queries").path)
        #expect(Set(names) == Set(NexmarkAnswers.queries.map { "q\($0).sql" }))
    }
}
