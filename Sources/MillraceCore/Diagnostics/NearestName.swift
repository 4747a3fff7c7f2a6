/// Finds the names a user may have meant.
public enum NearestName {
    /// The candidate closest to `name` (case ignored) by edit distance with transpositions, or nil when none is close:
    /// the distance may be a third of the length, at least 1, at most 3. A single character is close to nothing else.
    public static func find(_ name: String, in candidates: some Sequence<String>) -> String? {
        let wanted = Array(name.lowercased())
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(wanted, Array(candidate.lowercased()))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= (wanted.count > 1 ? min(3, max(1, wanted.count / 3)) : 0) else { return nil }
        return best.name
    }

    /// `Did you mean "x"?`, or nil.
    public static func hint(_ name: String, in candidates: some Sequence<String>) -> String? {
        find(name, in: candidates).map { "Did you mean \"\($0)\"?" }
    }

    /// Optimal string alignment distance.
    static func distance(_ a: [Character], _ b: [Character]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var before = [Int](repeating: 0, count: b.count + 1)
        var previous = Array(0...b.count)
        for i in 1...a.count {
            var current = [Int](repeating: i, count: b.count + 1)
            for j in 1...b.count {
                let cost = a[i - 1] == b[j - 1] ? 0 : 1
                current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    current[j] = min(current[j], before[j - 2] + 1)
                }
            }
            before = previous
            previous = current
        }
        return previous[b.count]
    }
}
