/// Rows under a heading, as Markdown: reads well on a screen and goes into a document as it is.
public struct TextTable {
    public var heading: [String]
    public var rows: [[String]] = []

    /// How many columns, from the left, hold names; the others hold numbers.
    public let names: Int

    public init(_ heading: [String], names: Int) {
        self.heading = heading
        self.names = names
    }

    public var text: String {
        var widths = heading.map(\.count)
        for row in rows { for (i, cell) in row.enumerated() { widths[i] = max(widths[i], cell.count) } }
        func line(_ cells: [String]) -> String {
            "| "
                + cells.enumerated().map { i, cell in
                    let blanks = String(repeating: " ", count: widths[i] - cell.count)
                    return i < names ? cell + blanks : blanks + cell
                }.joined(separator: " | ") + " |\n"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) + "|" }.joined() + "\n"
        return line(heading) + rule + rows.map(line).joined()
    }
}

/// With so many digits behind the point; "-" for nil.
public func decimal(_ value: Double?, _ digits: Int) -> String {
    guard let value, value.isFinite, abs(value) < 1e15 else { return "-" }
    var unit = 1.0
    for _ in 0..<digits { unit *= 10 }
    let scaled = Int((value * unit).rounded())
    return digits == 0 ? String(scaled) : fixed(scaled, digits)
}

/// Three significant digits or whole numbers: 0.213, 3.61, 17.2, 402.
public func significant(_ value: Double?) -> String {
    guard let value else { return "-" }
    return decimal(value, abs(value) < 1 ? 3 : abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0)
}
