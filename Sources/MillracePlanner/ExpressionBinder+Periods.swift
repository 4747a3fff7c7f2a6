import MillraceCore
import MillraceSQL

extension ExpressionBinder {
    /// `(start, end or length) OVERLAPS (start, end or length)`: whether the periods share a moment, their ends included.
    ///
    /// Start and end may stand in either order.
    func overlaps(_ left: ExpressionSyntax, _ right: ExpressionSyntax, _ range: SourceRange) -> Bound? {
        let first = period(left)
        let second = period(right)
        guard let (a, b) = first, let (c, d) = second else { return nil }
        guard let (leftEnd, rightStart) = comparable(b, c, "OVERLAPS", range),
            let (rightEnd, leftStart) = comparable(d, a, "OVERLAPS", range)
        else { return nil }
        return strict(
            .and,
            [
                strict(.greaterOrEqual, [leftEnd, rightStart], .boolean),
                strict(.greaterOrEqual, [rightEnd, leftStart], .boolean),
            ], .boolean)
    }

    private func period(_ syntax: ExpressionSyntax) -> (start: Bound, end: Bound)? {
        guard case .rowValue(let parts) = syntax.kind, parts.count == 2 else {
            _ = fail("OVERLAPS takes two periods", syntax.range, "Write (start, end) OVERLAPS (start, end).")
            return nil
        }
        let start = bind(parts[0])
        let second = bind(parts[1])
        guard let start, let second else { return nil }
        guard start.type.isTemporal, second.type.isTemporal || second.type.isInterval else {
            _ = fail("a period is a time and a time or interval, not \(start.type) and \(second.type)", syntax.range)
            return nil
        }
        var end: Bound? = second
        if second.type.isInterval { end = arithmetic(.add, start, second, syntax.range) }
        guard let end, let (x, y) = comparable(start, end, "OVERLAPS", syntax.range) else { return nil }
        return (strict(.least, [x, y], x.type), strict(.greatest, [x, y], x.type))
    }
}
