/// One piece of work to measure.
struct MicroCase {
    let name: String
    /// Rows that one call of `body` handles.
    let rows: Int
    /// Calls between two moments of `settle`.
    let calls: Int
    /// Set-up, done when the case's turn comes; gives the work, which returns whether its answer was right.
    let prepare: () throws -> Work

    struct Work {
        let body: () throws -> Bool
        /// Not measured.
        var settle: (() throws -> Void)?
    }

    init(
        _ name: String, rows: Int, rowsARound: Int = 20_000, _ prepare: @escaping () throws -> () throws -> Bool
    ) {
        self.init(name, rows: rows, rowsARound: rowsARound, settling: { Work(body: try prepare()) })
    }

    init(_ name: String, rows: Int, rowsARound: Int, settling prepare: @escaping () throws -> Work) {
        self.name = name
        self.rows = rows
        calls = max(1, rowsARound / rows)
        self.prepare = prepare
    }
}
