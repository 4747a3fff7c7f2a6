/// The oldest offset among the rows that are on their way, exactly: what a commit may say has been done ends there.
///
/// Rows leave in the order in which they came; offsets usually rise in that order, but need not (two branches of one source).
struct InFlightOffsets {
    /// Candidates for the minimum: ascending, each entered after the one before.
    private var candidates: [Int64] = []
    private var head = 0
    /// The newest offset of which a row has left.
    private(set) var newestOut = Int64.min
    private(set) var count = 0

    mutating func enter(_ offset: Int64) {
        count += 1
        while candidates.count > head, candidates[candidates.count - 1] > offset { candidates.removeLast() }
        candidates.append(offset)
    }

    /// `offset` is that of the row that entered first among those that are still there.
    mutating func leave(_ offset: Int64) {
        count -= 1
        newestOut = max(newestOut, offset)
        guard head < candidates.count, candidates[head] == offset else { return }
        head += 1
        if head == candidates.count {
            candidates.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 256, head * 2 > candidates.count {
            candidates.removeFirst(head)
            head = 0
        }
    }

    /// nil when nothing is on its way.
    var oldest: Int64? { head < candidates.count ? candidates[head] : nil }

    /// A record has rows that have left and rows that have not: no position tells such a state.
    var isTorn: Bool { oldest.map { $0 <= newestOut } ?? false }
}
