import MillraceCore

extension Column {
    /// Whether a cell is the same as one of a column of the same type: NULL equals NULL, NaN equals NaN.
    func isEqual(_ a: Int, to b: Int, of other: Column) -> Bool {
        guard states[a] == other.states[b] else { return false }
        guard states[a] == CellState.valid else { return true }
        switch layout {
        case .int64: return ints[a] == other.ints[b]
        case .double: return doubles[a] == other.doubles[b] || (doubles[a].isNaN && other.doubles[b].isNaN)
        case .decimal: return decimals[a] == other.decimals[b]
        case .bytes: return refs[a].equals(other.refs[b])
        case .row: return zip(children, other.children).allSatisfy { $0.isEqual(a, to: b, of: $1) }
        case .list:
            let (x, y) = (lists[a], other.lists[b])
            guard x.count == y.count else { return false }
            for i in 0..<Int(x.count) {
                for (child, another) in zip(children, other.children)
                where !child.isEqual(Int(x.start) + i, to: Int(y.start) + i, of: another) { return false }
            }
            return true
        }
    }

    /// Copies the bytes that a cell borrows into `arena`, so that their owner may change.
    func ownBytes(of row: Int, in arena: BatchArena) {
        guard states[row] == CellState.valid else { return }
        switch layout {
        case .bytes: refs[row] = arena.copy(refs[row])
        case .row: for child in children { child.ownBytes(of: row, in: arena) }
        case .list:
            for i in Int(lists[row].start)..<Int(lists[row].start + lists[row].count) {
                for child in children { child.ownBytes(of: i, in: arena) }
            }
        case .int64, .double, .decimal: break
        }
    }

    /// Forgets the rows from `rows` on. Elements of their lists stay behind unused until the next `clear`.
    func truncate(to rows: Int) {
        guard count > rows else { return }
        count = rows
        if layout == .row { for child in children { child.truncate(to: rows) } }
    }
}
