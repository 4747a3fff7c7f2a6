import MillraceCore

/// The keys whose state has changed since the last transaction. Each is retained until then, so that its number stays its own.
final class ChangedKeys {
    private let keys: KeyTable
    private var isListed: [Bool] = []
    private var list: [Int32] = []

    init(_ keys: KeyTable) { self.keys = keys }

    func insert(_ key: Int32) {
        while isListed.count <= Int(key) { isListed.append(false) }
        guard !isListed[Int(key)] else { return }
        isListed[Int(key)] = true
        list.append(key)
        keys.retain(key)
    }

    /// Each key once, in the order of their first change.
    func removeAll(_ body: (Int32) -> Void) {
        for key in list {
            body(key)
            isListed[Int(key)] = false
            keys.release(key)
        }
        list.removeAll(keepingCapacity: true)
    }
}

extension ShardContext {
    /// For rows that are taken again from a log: nothing is rejected or replayed.
    static func restoring(_ limits: Limits) -> ShardContext { ShardContext(clock: SystemClock(), limits: limits) }
}
