import MillraceCore

/// Tells the log of rejected rows: a warning at the first of each kind, the counts at the end.
struct RejectionLog {
    private struct Kind: Hashable {
        var object: String
        var reason: RowErrorCode
    }
    private var counts: [Kind: Int] = [:]
    /// Some session writes dead letters.
    let isKept: Bool

    init(isKept: Bool) { self.isKept = isKept }

    mutating func note(_ letter: DeadLetter, policy: ErrorPolicy, log: Log) {
        let kind = Kind(object: letter.object, reason: letter.reason)
        counts[kind, default: 0] += 1
        guard counts[kind] == 1 else { return }
        let message =
            if policy == .skip {
                "rows are skipped"
            } else if isKept {
                "rows are rejected; they are kept as dead letters"
            } else {
                "rows are rejected and not kept; SET 'dead-letter.path' = 'file.jsonl' writes them to a file"
            }
        log(
            .warning, message,
            ["object": letter.object, "reason": letter.reason.reason, "detail": letter.detail, "source": letter.source])
    }

    func summarize(_ log: Log) {
        let order = counts.sorted { ($0.key.object, $0.key.reason.rawValue) < ($1.key.object, $1.key.reason.rawValue) }
        for (kind, count) in order {
            log(
                .warning, "rows were rejected",
                ["object": kind.object, "reason": kind.reason.reason, "rows": String(count)])
        }
    }
}
