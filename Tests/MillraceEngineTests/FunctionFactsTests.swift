import Foundation
import MillraceCore
import MillraceEngine
import Testing

/// Expressions with the values that Apache Flink 2.3 gave for them, one file a family in `Functions/`.
///
/// `@schema` names the columns of the table `T` (besides `id INT`), `@zone` the session's time zone, `@data` its rows; each line
/// behind `@facts` is an expression, the type of its column, and the JSON text of its value for each row, parted by tabs. `!` is
/// a row that fails.
struct FunctionFactsTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Functions")

    static let files: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".facts") }.sorted()
    }()

    struct Fact {
        var expression: String
        var type: String
        var values: [String]
    }

    @Test(arguments: files)
    func facts(_ name: String) throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        var (schema, zone, part) = ("", "UTC", "")
        var rows: [String] = []
        var facts: [Fact] = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("@schema ") {
                schema = ", " + line.dropFirst(8)
            } else if line.hasPrefix("@zone ") {
                zone = String(line.dropFirst(6))
            } else if line.hasPrefix("@") {
                part = line
            } else if part == "@data" {
                rows.append(line)
            } else if part == "@facts" {
                let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                facts.append(Fact(expression: cells[0], type: cells[1], values: Array(cells.dropFirst(2))))
            }
        }
        #expect(!facts.isEmpty && facts.allSatisfy { $0.values.count == rows.count })
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let numbered = rows.enumerated().map { index, row in
            "{\"id\":\(index)" + (row == "{}" ? "}" : "," + row.dropFirst())
        }
        try numbered.joined(separator: "\n").write(
            to: directory.appendingPathComponent("in.json"), atomically: true, encoding: .utf8)
        for start in stride(from: 0, to: facts.count, by: 100) {
            let chunk = Array(facts[start..<min(start + 100, facts.count)])
            try run(chunk, schema: schema, zone: zone, in: directory)
        }
    }

    private func run(_ facts: [Fact], schema: String, zone: String, in directory: URL) throws {
        var sql = "SET 'table.local-time-zone' = '\(zone)'; CREATE TABLE T (id INT\(schema)) "
        sql += "WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/in.json', 'format' = 'json');\n"
        for (index, fact) in facts.enumerated() {
            sql += "CREATE TABLE s\(index) (id INT, x \(fact.type)) WITH ('connector' = 'filesystem', "
            sql += "'path' = '\(directory.path)/\(index).out', 'format' = 'json'); "
            sql += "INSERT INTO s\(index) SELECT id, \(fact.expression) FROM T;\n"
        }
        let file = PipelineFile(path: "facts.sql", text: sql, variables: [:])
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        var options = PipelineOptions()
        options.baseDirectory = directory.path
        let pipeline = Pipeline(plan: plan, options: options)
        try pipeline.start()
        try pipeline.wait()
        for (index, fact) in facts.enumerated() {
            let path = directory.appendingPathComponent("\(index).out/part-0-0")
            let lines = ((try? String(contentsOf: path, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
            var actual = Array(repeating: "!", count: fact.values.count)
            for line in lines {
                guard let comma = line.firstIndex(of: ","),
                    let id = Int(line[line.index(line.startIndex, offsetBy: 6)..<comma])
                else { continue }
                actual[id] = String(line[line.index(comma, offsetBy: 5)...].dropLast())
            }
            #expect(actual == fact.values, "\(fact.expression)")
            try? FileManager.default.removeItem(at: path)
        }
    }
}
