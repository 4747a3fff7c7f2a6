/// The keys of a table by their group: a doubly linked list for each group, through two numbers a key.
struct KeyGroups {
    private var heads = [Int32](repeating: -1, count: StateFormat.keyGroups)
    /// By key number; -1: none.
    private var next: [Int32] = []
    private var previous: [Int32] = []

    @inline(__always)
    static func group(hash: UInt64) -> Int { Int(truncatingIfNeeded: hash % UInt64(StateFormat.keyGroups)) }

    mutating func add(_ id: Int32, hash: UInt64) {
        while next.count <= Int(id) {
            next.append(-1)
            previous.append(-1)
        }
        let group = KeyGroups.group(hash: hash)
        let first = heads[group]
        next[Int(id)] = first
        previous[Int(id)] = -1
        if first >= 0 { previous[Int(first)] = id }
        heads[group] = id
    }

    mutating func remove(_ id: Int32, hash: UInt64) {
        let (before, after) = (previous[Int(id)], next[Int(id)])
        if before >= 0 { next[Int(before)] = after } else { heads[KeyGroups.group(hash: hash)] = after }
        if after >= 0 { previous[Int(after)] = before }
    }

    /// The newest first.
    func keys(of group: Int) -> [Int32] {
        var result: [Int32] = []
        var id = heads[group]
        while id >= 0 {
            result.append(id)
            id = next[Int(id)]
        }
        return result
    }

    var bytes: Int { (heads.count + next.capacity + previous.capacity) * MemoryLayout<Int32>.stride }
}
