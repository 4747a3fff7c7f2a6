import Foundation
import MillraceCore
import MillraceRuntime

@testable import MillraceModels

/// Model files, and the rows and predictions that belong to them.
enum Fixture {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Fixtures"
    ).path

    static func bytes(_ file: String) -> [UInt8] {
        [UInt8](FileManager.default.contents(atPath: directory + "/" + file)!)
    }

    /// Columns of a CSV file by name; empty cells are nil.
    static func table(_ file: String) -> [String: [String?]] {
        let lines = String(decoding: bytes(file), as: UTF8.self).split(whereSeparator: \.isNewline)
        let names = lines[0].split(separator: ",").map(String.init)
        var table: [String: [String?]] = [:]
        for line in lines.dropFirst() {
            for (name, cell) in zip(names, line.split(separator: ",", omittingEmptySubsequences: false)) {
                table[name, default: []].append(cell.isEmpty ? nil : String(cell))
            }
        }
        return table
    }

    static func numbers(_ file: String, _ name: String) -> [Double?] {
        table(file)[name]!.map { $0.map { Double($0)! } }
    }

    static let natality = [
        "is_male", "mother_age", "plurality", "gestation_weeks", "cigarette_use", "weight_gain_pounds", "ever_born",
        "mother_married",
    ]
    static let fraud = [
        "amount", "card_present", "hour_of_day", "merchant_category", "tx_count_10m", "amount_sum_10m", "tx_count_1h",
        "amount_sum_1h", "tx_count_24h", "amount_avg_7d", "amount_ratio_7d", "country_changed",
        "distinct_countries_24h",
        "seconds_since_prev",
    ]

    static func plan(
        _ provider: String, _ path: String, inputs: [Field], outputs: [Field], options: [String: String] = [:]
    ) -> ModelPlan {
        ModelPlan(
            name: "m", provider: provider, options: options.merging(["path": path]) { $1 }, inputs: Schema(inputs),
            outputs: Schema(outputs))
    }

    static func provider(_ file: String) -> String {
        file.hasSuffix(".onnx") ? "onnx" : file.hasSuffix(".txt") ? "lightgbm" : "xgboost"
    }

    static func doubles(_ names: [String]) -> [Field] { names.map { Field($0, .double) } }
}

/// Rows by column, scored as one batch, row by row or in pieces.
struct Rows {
    var fields: [Field]
    var cells: [[Value]]
    var count: Int { cells.first?.count ?? 0 }

    init(_ fields: [Field], _ cells: [[Value]]) {
        self.fields = fields
        self.cells = cells
    }

    init(golden file: String, _ names: [String]) {
        fields = Fixture.doubles(names)
        cells = names.map { Fixture.numbers(file, $0).map { $0.map(Value.double) ?? .null } }
    }

    /// - Parameter batch: rows a call.
    func score(_ model: any Model, outputs: [Field], batch: Int = .max, maxRows: Int = 256) throws -> [[Value]] {
        let scorer = try model.makeScorer(inputs: Schema(fields), outputs: Schema(outputs), maxRows: maxRows)
        let arena = BatchArena()
        let columns = fields.map { Column($0.type) }
        let results = outputs.map { Column($0.type) }
        var values = outputs.map { _ in [Value]() }
        var start = 0
        while start < count {
            let end = min(count, batch == .max ? count : start + batch)
            for (index, column) in columns.enumerated() {
                column.clear()
                for row in start..<end { column.append(cells[index][row], arena: arena) }
            }
            scorer.score(columns, rows: end - start, into: results, arena: arena)
            for (index, result) in results.enumerated() {
                precondition(result.count == end - start)
                for row in 0..<result.count { values[index].append(result.value(at: row)) }
            }
            start = end
        }
        return values
    }
}

func distance(_ value: Value, _ expected: Double) -> Double {
    guard case .double(let x) = value else { return .infinity }
    return abs(x - expected) / max(1, abs(expected))
}
