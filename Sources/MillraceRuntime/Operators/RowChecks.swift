import MillraceCore

/// Checks of one row that several operators make before they take it. A row that fails one is rejected with its reason.
extension ShardContext {
    /// Whether the row has an event time: neither NULL nor an error.
    @inline(__always)
    func hasEventTime(
        _ time: Column, _ row: Int, origin: Int32, object: String, detail: String = "event-time column"
    ) throws(Diagnostic) -> Bool {
        if time.isValid(row) { return true }
        let state = time.states[row]
        try reject(
            origin: origin, state == CellState.null ? .nullEventTime : .of(state), object: object, detail: detail)
        return false
    }

    /// Whether none of the row's cells in `columns` is an error; the first one counts.
    @inline(__always)
    func isSound(
        _ batch: ColumnBatch, _ row: Int, _ columns: [Int], object: String, detail: String
    ) throws(Diagnostic) -> Bool {
        for column in columns where batch.columns[column].states[row] > CellState.valid {
            try reject(
                origin: batch.metadata.origins[row], .of(batch.columns[column].states[row]), object: object,
                detail: detail)
            return false
        }
        return true
    }

    /// One row too many: `what` says of which an operator keeps at most `limit`.
    func rejectExcess(origin: Int32, object: String, limit: Int, of what: String) throws(Diagnostic) {
        try reject(origin: origin, .limitExceeded, object: object, detail: "more than \(limit) \(what)")
    }
}
