import CAllocationCount
import Glibc
import Workloads

/// What a row costs in one case.
struct Figures {
    var name: String
    /// Nanoseconds a row: of the fastest round, the median, and the worst.
    var best: Double
    var median: Double
    var worst: Double
    var allocations: Double

    var record: FlatRecord {
        var record = FlatRecord()
        record.set("case", name)
        record.set("ns", median)
        record.set("worst_ns", worst)
        record.set("allocations", (allocations * 1000).rounded() / 1000)
        return record
    }
}

enum Measurement {
    static func run(_ item: MicroCase, quick: Bool = false) throws -> Figures {
        let work = try item.prepare()
        return try run(item, work, rounds: quick ? 3 : 15)
    }

    static func run(_ item: MicroCase, _ work: MicroCase.Work, rounds count: Int) throws -> Figures {
        // Once to check, once to grow every buffer to its size.
        for _ in 0..<2 { try round(item, work) }
        var rounds: [Double] = []
        var allocations: Int64 = 0
        for _ in 0..<count {
            let (seconds, new) = try round(item, work)
            rounds.append(seconds / Double(item.calls * item.rows))
            allocations += new
        }
        rounds.sort()
        return Figures(
            name: item.name, best: rounds[0], median: rounds[count / 2], worst: rounds[count - 1],
            allocations: Double(allocations) / Double(count * item.calls * item.rows))
    }

    /// Nanoseconds and allocations of one round.
    @discardableResult
    private static func round(_ item: MicroCase, _ work: MicroCase.Work) throws -> (Double, Int64) {
        var isRight = true
        let before = millrace_allocation_count()
        let start = nanoseconds()
        for _ in 0..<item.calls where try !work.body() { isRight = false }
        let result = (Double(nanoseconds() - start), millrace_allocation_count() - before)
        guard isRight else { fail(item.name) }
        try work.settle?()
        return result
    }

    static func nanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
