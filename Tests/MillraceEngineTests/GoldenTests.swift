import Foundation
import MillraceCore
import MillraceEngine
import Testing

/// Runs a whole pipeline over files, in process, and compares what it wrote.
///
/// A case is one text: `--- sql`, then any number of `--- file NAME` (input) and `--- expect NAME` (output) sections.
/// `${dir}` in the SQL is the case's own folder. `--- fails` instead of outputs holds the error the run must end with;
/// `--- errors` the diagnostics of a file that does not plan; `--- print` what `print` tables wrote to standard output.
/// `MILLRACE_UPDATE_GOLDEN=1` rewrites the expectations: read the diff.
struct GoldenTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

    /// `${models}` in the SQL.
    static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("MillraceModelsTests/Fixtures")

    static let cases: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".test") }.sorted()
    }()

    @Test(arguments: cases)
    func golden(_ name: String) throws {
        let path = GoldenTests.folder.appendingPathComponent(name)
        var golden = GoldenCase(try String(contentsOf: path, encoding: .utf8))
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        for section in golden.sections where section.kind == "file" {
            let file = directory.appendingPathComponent(section.name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try section.text.write(to: file, atomically: true, encoding: .utf8)
        }
        let actual = try run(golden, in: directory)
        if ProcessInfo.processInfo.environment["MILLRACE_UPDATE_GOLDEN"] != nil {
            for (key, text) in actual { golden.replace(key, with: text) }
            try golden.text.write(to: path, atomically: true, encoding: .utf8)
            return
        }
        for section in golden.sections where ["expect", "fails", "errors", "print"].contains(section.kind) {
            let key = GoldenCase.Key(kind: section.kind, name: section.name)
            #expect(actual[key] == section.text, "\(name): \(section.kind) \(section.name)")
        }
        #expect(
            golden.sections.contains { ["expect", "fails", "errors", "print"].contains($0.kind) },
            "\(name) expects nothing")
    }

    private func run(_ golden: GoldenCase, in directory: URL) throws -> [GoldenCase.Key: String] {
        let sql = try #require(golden.sections.first { $0.kind == "sql" }).text
        let file = PipelineFile(
            path: "case.sql", text: sql, variables: ["dir": directory.path, "models": GoldenTests.models.path])
        func hidingFolder(_ text: String) -> String {
            text.replacingOccurrences(of: directory.path, with: "DIR") + (text.hasSuffix("\n") ? "" : "\n")
        }
        /// Dead letters carry the file and the moment.
        func hidingTimes(_ text: String) -> String {
            text.replacingOccurrences(of: directory.path, with: "DIR").replacingOccurrences(
                of: #""time":"[^"]*","source""#, with: #""time":"TIME","source""#, options: .regularExpression)
        }
        guard let plan = file.plan else {
            return [GoldenCase.Key(kind: "errors", name: ""): hidingFolder(file.rendered(file.diagnostics))]
        }
        var options = PipelineOptions()
        options.baseDirectory = directory.path
        let printed = directory.appendingPathComponent("print.txt").path
        try Data().write(to: URL(fileURLWithPath: printed))
        let output = try #require(FileHandle(forWritingAtPath: printed))
        options.standardOutput = output.fileDescriptor
        let pipeline = Pipeline(plan: plan, options: options)
        do {
            try pipeline.start()
            try pipeline.wait()
        } catch {
            return [GoldenCase.Key(kind: "fails", name: ""): hidingFolder(file.rendered([error]))]
        }
        var result: [GoldenCase.Key: String] = [:]
        for section in golden.sections where section.kind == "expect" {
            let path = directory.appendingPathComponent(section.name)
            result[GoldenCase.Key(kind: "expect", name: section.name)] =
                (try? String(contentsOf: path, encoding: .utf8)).map(hidingTimes) ?? "(no such file)\n"
        }
        if golden.sections.contains(where: { $0.kind == "print" }) {
            result[GoldenCase.Key(kind: "print", name: "")] = try String(contentsOfFile: printed, encoding: .utf8)
        }
        return result
    }
}

struct GoldenCase {
    struct Key: Hashable {
        var kind: String
        var name: String
    }
    struct Section {
        var kind: String
        var name: String
        var text: String
    }
    var comment = ""
    var sections: [Section] = []

    init(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("--- ") {
                let words = line.dropFirst(4).split(separator: " ", maxSplits: 1).map(String.init)
                sections.append(Section(kind: words[0], name: words.count > 1 ? words[1] : "", text: ""))
            } else if sections.isEmpty {
                comment += line + "\n"
            } else {
                sections[sections.count - 1].text += line + "\n"
            }
        }
        // The text's own final line end adds one empty line to the last section.
        if !sections.isEmpty, sections[sections.count - 1].text.hasSuffix("\n") {
            sections[sections.count - 1].text.removeLast()
        }
    }

    mutating func replace(_ key: Key, with text: String) {
        for i in sections.indices where sections[i].kind == key.kind && sections[i].name == key.name {
            sections[i].text = text
        }
    }

    var text: String {
        comment
            + sections.map { "--- \($0.kind)\($0.name.isEmpty ? "" : " " + $0.name)\n\($0.text)" }.joined()
    }
}
