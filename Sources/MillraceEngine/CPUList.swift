internal import CMillraceLinux

/// CPUs by number, as `taskset` writes them: `0`, `2,3`, `0-3,8`.
///
/// Shard 0 gets the first of the list, shard 1 the second, and so on from the start again.
public struct CPUList: Sendable, Equatable {
    public private(set) var numbers: [Int] = []

    /// No CPUs: threads run where the system puts them.
    public init() {}

    /// Nil when the text is no list, names a CPU twice, or one above 1023.
    public init?(_ text: String) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = part.split(separator: "-", omittingEmptySubsequences: false).map { CPUList.number($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, first <= last
            else { return nil }
            numbers += first...last
        }
        guard Set(numbers).count == numbers.count else { return nil }
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(text), number < 1024
        else { return nil }
        return number
    }

    /// Those that this process may not use: absent, or outside its affinity mask or cpuset.
    public var unavailable: [Int] { numbers.filter { millrace_cpu_is_available(Int32($0)) == 0 } }

    /// The CPU of shard `index`; nil: any.
    func cpu(ofShard index: Int) -> Int? { numbers.isEmpty ? nil : numbers[index % numbers.count] }
}
