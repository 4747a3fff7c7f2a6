import Foundation
import MillraceCore
import MillraceEngine
import Testing

/// The documents follow the code: generated tables equal it, SQL examples plan, links lead somewhere.
///
/// `MILLRACE_UPDATE_GOLDEN=1` rewrites the generated parts.
struct DocumentationTests {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// README.md and the pages of docs, docs/sql and pipelines, by path from the root.
    static let pages: [String] = {
        var found = ["README.md"]
        for folder in ["docs", "docs/sql", "pipelines"] {
            let names =
                (try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)) ?? []
            found += names.filter { $0.hasSuffix(".md") }.sorted().map { "\(folder)/\($0)" }
        }
        return found
    }()

    static func text(_ page: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
    }

    @Test(arguments: [("docs/connectors.md", "options"), ("docs/sql/functions.md", "functions")])
    func generatedPart(page: String, name: String) throws {
        let wanted = name == "options" ? OptionReference.markdown() : OptionReference.functions()
        let text = try Self.text(page)
        let begin = try #require(text.range(of: "<!-- \(name):begin -->\n"), "\(page) has no begin marker")
        let end = try #require(text.range(of: "<!-- \(name):end -->"), "\(page) has no end marker")
        let part = "\n" + wanted + "\n"
        if ProcessInfo.processInfo.environment["MILLRACE_UPDATE_GOLDEN"] != nil {
            let new = text.replacingCharacters(in: begin.upperBound..<end.lowerBound, with: part)
            try new.write(to: Self.root.appendingPathComponent(page), atomically: true, encoding: .utf8)
            return
        }
        #expect(
            text[begin.upperBound..<end.lowerBound] == part,
            "\(page) is behind the code; run the tests with MILLRACE_UPDATE_GOLDEN=1 and read the diff")
    }

    struct Example: Sendable, CustomTestStringConvertible {
        var page: String
        var line: Int
        var info: String
        var text: String
        var testDescription: String { "\(page):\(line)" }
    }

    /// Code blocks whose language is sql.
    static let examples: [Example] = {
        var found: [Example] = []
        for page in pages {
            guard let text = try? text(page) else { continue }
            var open: Example?
            for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                guard line.hasPrefix("```") else {
                    open?.text += line + "\n"
                    continue
                }
                if let example = open {
                    if example.info == "sql" || example.info.hasPrefix("sql ") { found.append(example) }
                    open = nil
                } else {
                    open = Example(page: page, line: index + 2, info: String(line.dropFirst(3)), text: "")
                }
            }
        }
        return found
    }()

    /// ```` ```sql ```` is a whole file that must plan; ```` ```sql fragment ```` is a piece and is not checked;
    /// ```` ```sql error ```` must not plan.
    @Test(arguments: examples)
    func example(_ example: Example) {
        let file = PipelineFile(path: example.page, text: example.text, variables: [:])
        switch example.info {
        case "sql":
            #expect(file.plan != nil, "\(example.testDescription)\n\(file.rendered(file.diagnostics))")
            #expect(file.diagnostics.isEmpty, "\(example.testDescription)\n\(file.rendered(file.diagnostics))")
        case "sql error": #expect(file.plan == nil, "\(example.testDescription) plans")
        case "sql fragment": break
        default: Issue.record("unknown mark \"\(example.info)\" at \(example.testDescription)")
        }
    }

    @Test func thereAreExamples() {
        #expect(Self.examples.count { $0.info == "sql" } >= 10)
    }

    /// Relative links lead to files; links into a page lead to one of its headings.
    @Test(arguments: pages)
    func links(_ page: String) throws {
        let text = try Self.text(page)
        for match in text.matches(of: /\]\(([^)\s]+)\)/) {
            let target = String(match.1)
            if target.contains("://") { continue }
            let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let folder = (page as NSString).deletingLastPathComponent
            let path =
                parts[0].isEmpty
                ? page : ((folder as NSString).appendingPathComponent(parts[0]) as NSString).standardizingPath
            #expect(
                FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path),
                "\(page): \(target) leads nowhere")
            if parts.count == 2, let other = try? Self.text(path) {
                let anchors = other.split(separator: "\n").filter { $0.hasPrefix("#") }.map(Self.anchor)
                #expect(anchors.contains(parts[1]), "\(page): \(target) has no such heading")
            }
        }
    }

    /// As GitHub makes anchors of headings.
    static func anchor(_ heading: Substring) -> String {
        heading.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
            .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
            .replacingOccurrences(of: " ", with: "-")
    }

    @Test(arguments: pages)
    func lines(_ page: String) throws {
        var isGenerated = false
        for (index, line) in try Self.text(page).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("<!-- ") { isGenerated = line.hasSuffix(":begin -->") }
            // Table rows cannot be broken.
            if isGenerated || line.hasPrefix("|") { continue }
            #expect(line.count <= 140, "\(page):\(index + 1) has \(line.count) columns")
        }
    }
}
