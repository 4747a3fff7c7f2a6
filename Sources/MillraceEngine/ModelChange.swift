/// Decides when a model file that has changed is read. Pure: what was seen goes in, what to do comes out.
///
/// A file that was renamed to its place is read at once. One that is written in place is read when it has stood still for
/// `settleMicroseconds`. A file that was refused is not tried again until it changes, or somebody asks.
struct ModelChange {
    static let settleMicroseconds: Int64 = 1_000_000

    /// What is loaded came from a file that looked like this.
    private var loaded: FileStamp?
    private var refused: FileStamp?
    /// Another one, and since when it looks so.
    private var candidate: (stamp: FileStamp, since: Int64)?

    init(loaded: FileStamp?) { self.loaded = loaded }

    /// True: read the file now, then call `adopted` or `refuse`.
    ///
    /// - Parameters:
    ///   - stamp: nil while nothing is there, as between a removal and a copy.
    ///   - now: monotonic microseconds.
    mutating func look(_ stamp: FileStamp?, now: Int64) -> Bool {
        guard let stamp, stamp != loaded, stamp != refused else {
            candidate = nil
            return false
        }
        if let candidate, candidate.stamp == stamp {
            return stamp.isComplete || now - candidate.since >= ModelChange.settleMicroseconds
        }
        candidate = (stamp, now)
        return stamp.isComplete
    }

    /// The file as it was before and after it was read: unless they are one, what was read may be half of each.
    static func isWhole(before: FileStamp?, after: FileStamp?) -> Bool { before != nil && before == after }

    mutating func adopted(_ stamp: FileStamp?) {
        loaded = stamp
        refused = nil
        candidate = nil
    }

    mutating func refuse(_ stamp: FileStamp?) {
        refused = stamp
        candidate = nil
    }
}
