import Foundation
import MillraceCore
import MillraceEngine
import Testing

struct ModelReportTests {
    private static let fixtures = DocumentationTests.root.appendingPathComponent(
        "Tests/MillraceModelsTests/Fixtures"
    ).path

    @Test(arguments: ["natality/natality_xgb.ubj", "onnx/sk_named_mixed.onnx", "fraud/fraud_lgb.txt"])
    func statementIsReadyToPaste(_ file: String) throws {
        let path = Self.fixtures + "/" + file
        let text = try ModelReport.text(path: path)
        let statement = String(text[try #require(text.range(of: "CREATE MODEL")).lowerBound...])
        // A pipeline around it has to plan, and to load the model.
        let inputs = try #require(statement.split(separator: "INPUT (").last?.split(separator: ")\nOUTPUT").first)
        let names = inputs.split(separator: ",").map { $0.split(whereSeparator: \.isWhitespace).first! }
        let sql = """
            CREATE TABLE t (\(inputs)) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
            CREATE TABLE o (v STRING) WITH ('connector' = 'blackhole');
            \(statement)
            INSERT INTO o SELECT version FROM ML_PREDICT(TABLE t, MODEL \(statement.split(separator: " ")[2].prefix { !$0.isNewline }),
                DESCRIPTOR(\(names.joined(separator: ", "))), MAP['version-column', 'version']);
            """
        let file = PipelineFile(path: "case.sql", text: sql, variables: [:])
        #expect(file.plan != nil, "\(file.rendered(file.diagnostics))\n\(sql)")
    }

    @Test func predictsTheRowsOfAFile() throws {
        let folder = Self.fixtures + "/natality/"
        let text = try ModelBench.predictions(
            path: folder + "natality_xgb.ubj", rows: folder + "golden_inputs.csv", options: [:])
        let lines = text.split(separator: "\n")
        let expected = try String(contentsOfFile: folder + "golden_expected.csv", encoding: .utf8).split(
            whereSeparator: \.isNewline)
        let column = try #require(expected[0].split(separator: ",").firstIndex(of: "xgb"))
        #expect(lines[0] == "prediction")
        #expect(lines.count == 201 && expected.count == 201)
        for (line, row) in zip(lines, expected).dropFirst() {
            let wanted = Double(row.split(separator: ",", omittingEmptySubsequences: false)[column])!
            #expect(abs(Double(line)! - wanted) < 1e-6)
        }
    }

    @Test func textOutputsAreCells() throws {
        let path = NSTemporaryDirectory() + "millrace-rows-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "v,w,x,y,z\n0.5,1,0,0,2\n,,,,\n".write(toFile: path, atomically: true, encoding: .utf8)
        let text = try ModelBench.predictions(path: Self.fixtures + "/onnx/sk_text.onnx", rows: path, options: [:])
        let lines = text.split(separator: "\n")
        #expect(lines[0] == "output_label,output_probability_ham,output_probability_spam")
        #expect(lines.count == 3)
        #expect(lines[1].hasPrefix("ham,") || lines[1].hasPrefix("spam,"))
    }

    @Test(arguments: [
        ("a,b\n1,2\n", "has no column \"is_male\"", "names a, b"),
        (
            "is_mal,mother_age,plurality,gestation_weeks,cigarette_use,weight_gain_pounds,ever_born,mother_married\n1\n",
            "has no column \"is_male\"", "\"is_mal\""
        ),
        (
            "is_male,mother_age,plurality,gestation_weeks,cigarette_use,weight_gain_pounds,ever_born,mother_married\n"
                + "1,2,3,4,5,6,7,8\n1,2,x,4,5,6,7,8\n", "line 3", "types"
        ),
        ("", "is empty", "first line"),
    ])
    func rowsThatDoNotFitAreNamed(_ csv: String, _ message: String, _ hint: String) throws {
        let path = NSTemporaryDirectory() + "millrace-rows-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try csv.write(toFile: path, atomically: true, encoding: .utf8)
        let refusal = #expect(throws: Diagnostic.self) {
            _ = try ModelBench.predictions(
                path: Self.fixtures + "/natality/natality_xgb.ubj", rows: path, options: [:])
        }
        #expect(refusal?.message.contains(message) == true, "\(refusal?.message ?? "")")
        #expect(refusal?.hint?.contains(hint) == true, "\(refusal?.hint ?? "")")
    }

    @Test func benchPrintsALineForEachBatch() throws {
        let text = try ModelBench.text(
            path: Self.fixtures + "/onnx/xgb_two.onnx",
            ModelBench.Settings(rows: nil, batches: [1, 8], seconds: 0.01, options: ["runtime": "native"]))
        #expect(text.contains("native trees\n"))
        let lines = text.split(separator: "\n").suffix(3)
        #expect(lines.first?.contains("p99 us") == true)
        #expect(lines.dropFirst().map { $0.split(separator: " ").first } == ["1", "8"])
        // Fewer rows than a batch has.
        let refusal = #expect(throws: Diagnostic.self) {
            _ = try ModelBench.text(
                path: Self.fixtures + "/natality/natality_xgb.ubj",
                ModelBench.Settings(
                    rows: Self.fixtures + "/natality/golden_inputs.csv", batches: [201], seconds: 0.01, options: [:]))
        }
        #expect(refusal?.message.contains("201 rows") == true)
    }
}
