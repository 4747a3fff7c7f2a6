import CAllocationCount
import Glibc

/// Times a piece of work and prints one line: nanoseconds (median and worst of the rounds) and allocations a row.
enum Measurement {
    /// - Parameters:
    ///   - rows: how many rows one call of `body` handles.
    ///   - body: returns whether its answer was right.
    static func run(_ name: String, rows: Int, _ body: () throws -> Bool) rethrows {
        let calls = max(1, 20_000 / rows)
        guard try body() else { fail(name) }
        for _ in 0..<calls { _ = try body() }
        var rounds: [Double] = []
        let before = millrace_allocation_count()
        var isRight = true
        for _ in 0..<15 {
            let start = nanoseconds()
            for _ in 0..<calls where try !body() { isRight = false }
            rounds.append(Double(nanoseconds() - start) / Double(calls * rows))
        }
        guard isRight else { fail(name) }
        let allocations = Double(millrace_allocation_count() - before) / Double(15 * calls * rows)
        rounds.sort()
        print(
            "\(pad(name, 44)) \(pad(text(rounds[7]), 9, left: true)) ns/row  worst \(pad(text(rounds[14]), 9, left: true))"
                + "  \(pad(text(allocations), 7, left: true)) allocations/row")
    }

    static func fail(_ name: String) -> Never {
        print("\(name): wrong answer")
        exit(1)
    }

    private static func nanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    private static func text(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        let fraction = scaled % 100
        return "\(scaled / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    private static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.utf8.count))
        return left ? blanks + text : text + blanks
    }
}
