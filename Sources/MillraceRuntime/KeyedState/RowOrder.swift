import MillraceCore

/// Compares rows of a store by ORDER BY's keys.
struct RowOrder {
    private let keys: [(column: Column, layout: Layout, isDescending: Bool, nullsFirst: Bool)]

    /// `order`'s columns are flat.
    init(_ order: [SortKey], _ rows: RowStore) {
        keys = order.map { (rows.columns[$0.column], rows.columns[$0.column].layout, $0.isDescending, $0.nullsFirst) }
    }

    /// Negative when row `a` comes first, zero when the keys are equal.
    func compare(_ a: Int32, _ b: Int32) -> Int {
        for key in keys {
            let (x, y) = (Int(a), Int(b))
            let (isNullX, isNullY) = (
                key.column.states[x] != CellState.valid, key.column.states[y] != CellState.valid
            )
            if isNullX || isNullY {
                if isNullX && isNullY { continue }
                return isNullX == key.nullsFirst ? -1 : 1
            }
            let order = RowOrder.compare(key.column, key.layout, x, y)
            if order != 0 { return key.isDescending ? -order : order }
        }
        return 0
    }

    /// Of two cells that are there. NaN is greater than every number, as in Flink.
    @inline(__always)
    static func compare(_ column: Column, _ layout: Layout, _ a: Int, _ b: Int) -> Int {
        switch layout {
        case .int64: return order(column.ints[a], column.ints[b])
        case .decimal: return order(column.decimals[a], column.decimals[b])
        case .bytes: return column.refs[a].compare(column.refs[b])
        case .double:
            let (x, y) = (column.doubles[a], column.doubles[b])
            if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? 0 : (x.isNaN ? 1 : -1) }
            return order(x, y)
        case .row, .list: return 0
        }
    }

    @inline(__always)
    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }
}
