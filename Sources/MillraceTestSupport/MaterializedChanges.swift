public import MillraceCore

/// The result that a stream of changes adds up to. Refuses changes that do not fit what is there.
public struct MaterializedChanges {
    /// Rows, as often as they are there, in the order in which they came.
    public private(set) var rows: [[Value]] = []
    /// The first change that did not fit: a row taken back that is not there.
    public private(set) var fault: String?

    public init() {}

    public mutating func apply(_ kind: RowKind, _ row: [Value]) {
        if kind.isRetraction {
            guard let index = rows.lastIndex(of: row) else {
                if fault == nil { fault = "\(kind.text) \(row) takes back a row that is not there" }
                return
            }
            rows.remove(at: index)
        } else {
            rows.append(row)
        }
    }
}

extension CollectingOperator {
    /// What reached it, added up.
    public var materialized: MaterializedChanges {
        var result = MaterializedChanges()
        for (kind, row) in zip(kinds, rows) { result.apply(kind, row) }
        return result
    }
}

/// Random changes of a table: rows come, and rows that are there go again.
public struct RandomChanges {
    public private(set) var live: [[Value]] = []
    private var generator: SeededGenerator
    private let makeRow: (inout SeededGenerator) -> [Value]

    public init(seed: UInt64, makeRow: @escaping (inout SeededGenerator) -> [Value]) {
        generator = SeededGenerator(seed: seed)
        self.makeRow = makeRow
    }

    /// One change in three takes a row back; one in six replaces a row.
    public mutating func next() -> [ScriptedRow] {
        let choice = Int.random(in: 0..<6, using: &generator)
        if choice < 2 && !live.isEmpty {
            return [ScriptedRow(takeOne(), kind: .delete)]
        }
        let row = makeRow(&generator)
        if choice == 2 && !live.isEmpty {
            let old = takeOne()
            live.append(row)
            return [ScriptedRow(old, kind: .updateBefore), ScriptedRow(row, kind: .updateAfter)]
        }
        live.append(row)
        return [ScriptedRow(row)]
    }

    private mutating func takeOne() -> [Value] { live.remove(at: Int.random(in: live.indices, using: &generator)) }
}
