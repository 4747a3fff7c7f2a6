public import MillraceCore

/// Makes a `ModelBaseline` of a CSV file with a header. A column of which every cell is a number is one of numbers; `true` and
/// `false` are texts; an empty cell is missing.
public struct BaselineBuilder {
    /// Texts of a column that are kept; the others are one bucket.
    public static let textsLimit = 20

    /// - Parameter buckets: of a numeric column; their bounds are quantiles, so buckets have about the same share.
    /// - Throws: `.user` for a file without rows, or a line with another number of cells.
    public static func build(csv text: String, path: String, buckets: Int = 10) throws(Diagnostic) -> ModelBaseline {
        var lines = CSVLines(Array(text.utf8))
        guard let header = lines.next(), !header.isEmpty else { throw Diagnostic("\"\(path)\" is empty") }
        var cells = [[String]](repeating: [], count: header.count)
        var line = 1
        while let row = lines.next() {
            line += 1
            if row == [""] { continue }
            guard row.count == header.count else {
                throw Diagnostic("\"\(path)\" has \(row.count) cells in row \(line), its header has \(header.count)")
            }
            for (index, cell) in row.enumerated() { cells[index].append(cell) }
        }
        guard let rows = cells.first?.count, rows > 0 else { throw Diagnostic("\"\(path)\" has a header and no rows") }
        var columns: [ModelBaseline.Column] = []
        for (name, values) in zip(header, cells) {
            let present = values.filter { !$0.isEmpty }
            guard !present.isEmpty else { continue }
            columns.append(
                .init(
                    name: name, missingShare: Double(rows - present.count) / Double(rows),
                    distribution: numbers(present, buckets) ?? texts(present)))
        }
        guard !columns.isEmpty else { throw Diagnostic("\"\(path)\" has no column with values") }
        return ModelBaseline(rows: rows, columns: columns)
    }

    private static func numbers(_ cells: [String], _ buckets: Int) -> ModelBaseline.Distribution? {
        var values: [Double] = []
        values.reserveCapacity(cells.count)
        for cell in cells {
            guard let value = number(cell), value.isFinite else { return nil }
            values.append(value)
        }
        values.sort()
        // Quantiles that fall together are one bound; the least value is none, for nothing lies below it.
        var splits: [Double] = []
        for index in 1..<max(buckets, 2) {
            let split = values[min(values.count - 1, index * values.count / buckets)]
            if split > (splits.last ?? values[0]) { splits.append(split) }
        }
        var counts = [Int](repeating: 0, count: splits.count + 1)
        var bucket = 0
        for value in values {
            while bucket < splits.count, value >= splits[bucket] { bucket += 1 }
            counts[bucket] += 1
        }
        return .numbers(
            splits: splits, shares: counts.map { Double($0) / Double(values.count) }, minimum: values[0],
            maximum: values[values.count - 1])
    }

    private static func number(_ cell: String) -> Double? {
        var cell = cell
        return cell.withUTF8 { bytes in
            bytes.baseAddress.flatMap { NumberText.parseDouble(ByteRef(start: $0, count: bytes.count)) }
        }
    }

    private static func texts(_ cells: [String]) -> ModelBaseline.Distribution {
        var counts: [String: Int] = [:]
        for cell in cells { counts[cell, default: 0] += 1 }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return .texts(
            sorted.prefix(textsLimit).map { .init(text: $0.key, share: Double($0.value) / Double(cells.count)) },
            isComplete: sorted.count <= textsLimit)
    }
}

/// The rows of a CSV file (RFC 4180): quotes, doubled quotes and line ends inside of them.
private struct CSVLines {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes }

    mutating func next() -> [String]? {
        guard at < bytes.count else { return nil }
        var row: [String] = []
        var cell: [UInt8] = []
        var isQuoted = false
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if isQuoted {
                if byte != UInt8(ascii: "\"") {
                    cell.append(byte)
                } else if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
                    cell.append(byte)
                    at += 1
                } else {
                    isQuoted = false
                }
            } else if byte == UInt8(ascii: "\""), cell.isEmpty {
                isQuoted = true
            } else if byte == UInt8(ascii: ",") {
                row.append(String(decoding: cell, as: UTF8.self))
                cell = []
            } else if byte == UInt8(ascii: "\n") {
                break
            } else if byte != UInt8(ascii: "\r") {
                cell.append(byte)
            }
        }
        row.append(String(decoding: cell, as: UTF8.self))
        return row
    }
}
