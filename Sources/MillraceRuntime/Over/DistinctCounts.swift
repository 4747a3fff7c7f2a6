/// How often each value is in one key's frame; values are numbers of a `KeyTable` that all keys share.
///
/// Most keys have few values: those are a list. Steady state allocates nothing.
struct DistinctCounts {
    private var few: [(value: Int32, count: Int32)] = []
    private var many: [Int32: Int32] = [:]
    /// Longest list that is searched from end to end.
    private static let listed = 16

    /// - Returns: true for the first one of its kind.
    mutating func add(_ value: Int32) -> Bool {
        if many.isEmpty {
            for index in few.indices where few[index].value == value {
                few[index].count += 1
                return false
            }
            if few.count < DistinctCounts.listed {
                few.append((value, 1))
                return true
            }
            for (value, count) in few { many[value] = count }
            few.removeAll()
        }
        many[value, default: 0] += 1
        return many[value] == 1
    }

    /// - Returns: true for the last one of its kind.
    mutating func remove(_ value: Int32) -> Bool {
        if many.isEmpty {
            guard let index = few.firstIndex(where: { $0.value == value }) else { return false }
            few[index].count -= 1
            guard few[index].count == 0 else { return false }
            few.swapAt(index, few.count - 1)
            few.removeLast()
            return true
        }
        guard let count = many[value] else { return false }
        many[value] = count > 1 ? count - 1 : nil
        return count == 1
    }

    /// A value that is not there yet.
    mutating func set(_ value: Int32, count: Int32) {
        guard count > 0 else { return }
        _ = add(value)
        if many.isEmpty { few[few.count - 1].count = count } else { many[value] = count }
    }

    /// Values, not occurrences.
    var count: Int { few.count + many.count }

    func forEach(_ body: (_ value: Int32, _ count: Int32) -> Void) {
        for (value, count) in few { body(value, count) }
        for (value, count) in many { body(value, count) }
    }
}
