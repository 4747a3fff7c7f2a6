import MillraceCore

/// The columns that say where each prediction of a batch comes from.
final class ReceiptColumns {
    private let kinds: [PredictReceipt.Kind]
    let columns: [Column]
    private let model: String
    /// Microseconds of the call that scored each row, filled by the operator; nil when nobody asks.
    let latency: Column?

    /// - Parameter shadow: the comparison's column, where a receipt shows it.
    init(_ receipts: [PredictReceipt], model: String, shadow: Column?) {
        kinds = receipts.map(\.kind)
        columns = receipts.map { receipt in
            switch receipt.kind {
            case .version, .model, .hash: Column(.string)
            case .latency: Column(.bigInt)
            case .timeout: Column(.boolean)
            case .shadow: shadow ?? Column(.string)
            }
        }
        self.model = model
        latency = zip(kinds, columns).first { $0.0 == .latency }?.1
    }

    /// - Parameters:
    ///   - version: of the live model; `contentHash`: its whole hash.
    ///   - scored: rows from here on got defaults.
    ///   - isCanary: 1 for the rows that `canary` scored; empty: none.
    func fill(
        rows: Int, scored: Int, version: String, contentHash: String, canary: ReadyScorer? = nil,
        isCanary: [UInt8] = [], arena: BatchArena
    ) {
        for (kind, column) in zip(kinds, columns) {
            switch kind {
            case .version:
                fill(column, rows, scored, version, canary?.version, isCanary, arena)
            case .hash:
                fill(column, rows, scored, contentHash, canary?.contentHash, isCanary, arena)
            case .model: column.fill(.string(model), rows: rows, arena: arena)
            case .latency: for _ in column.count..<rows { column.appendNull() }
            case .timeout:
                column.clear()
                for row in 0..<rows { column.append(int: row < scored ? 0 : 1) }
            case .shadow: break
            }
        }
    }

    private func fill(
        _ column: Column, _ rows: Int, _ scored: Int, _ live: String, _ canary: String?, _ isCanary: [UInt8],
        _ arena: BatchArena
    ) {
        guard scored < rows || canary != nil else { return column.fill(.string(live), rows: rows, arena: arena) }
        column.clear()
        let own = arena.copy(live)
        let other = canary.map { arena.copy($0) } ?? own
        for row in 0..<rows {
            if row >= scored {
                column.appendNull()
            } else {
                column.append(bytes: !isCanary.isEmpty && isCanary[row] == 1 ? other : own)
            }
        }
    }
}
