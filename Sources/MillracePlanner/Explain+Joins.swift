import MillraceCore

extension Explain {
    /// Side by side, as a join's condition sees them.
    static func joined(_ left: Schema, _ right: Schema) -> Schema { Schema(left.fields + right.fields) }

    static func streamJoin(_ join: StreamJoinPlan, _ left: Schema, _ right: Schema) -> [String] {
        let kind = join.kind == .inner ? "" : join.kind.rawValue + " "
        let keys = zip(join.leftKeys, join.rightKeys).map { "\(left[$0].name) = \(right[$1].name)" }
        let on = keys.isEmpty ? " (every pair)" : " on \(keys.joined(separator: " AND "))"
        func duration(_ milliseconds: Int64) -> String {
            (milliseconds < 0 ? "-" : "") + ExpressionText.duration(abs(milliseconds) * 1000)
        }
        var lines: [String]
        switch join.form {
        case .regular:
            let state = ttl(join.stateTTLMilliseconds, "a row", "it was written")
            lines = ["\(kind)join of streams\(on)"] + (state.isEmpty ? ["both inputs are kept for ever"] : state)
            if join.isUpdating { lines.append("gives changes") }
        case .window(let leftEnd, let rightEnd):
            lines = [
                "\(kind)window join\(on)",
                "rows of a window (\(left[leftEnd].name), \(right[rightEnd].name)) meet when it closes",
            ]
        case .interval(let leftTime, let rightTime, let lower, let upper):
            lines = [
                "\(kind)interval join\(on)",
                "\(left[leftTime].name) - \(right[rightTime].name) from \(duration(lower)) to \(duration(upper)); rows are kept that long",
            ]
        case .temporal(let leftTime, let rightTime):
            lines = [
                "\(kind)temporal join\(on)",
                "with the version of \(right[rightTime].name) that was valid at \(left[leftTime].name)",
            ]
        }
        if let residual = join.residual { lines.append("and \(ExpressionText.text(residual, joined(left, right)))") }
        return lines
    }
}
