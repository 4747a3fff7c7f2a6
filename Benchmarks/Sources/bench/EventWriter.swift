import Glibc
import Workloads

/// Writes events into memory: number and time are formatted, the rest was made beforehand.
final class EventWriter {
    private let job: Job
    private let tails: [[UInt8]]
    /// Where the key stands in a tail: the account, or the state.
    private let key: Range<Int>
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)

    init(_ job: Job) {
        self.job = job
        switch job {
        case .a:
            tails = Payments().variants.map { Array($0.json.utf8) }
            key = 12..<21
        case .b:
            tails = Sales().variants.map { Array($0.json.utf8) }
            key = 10..<12
        }
    }

    deinit { buffer.deallocate() }

    /// The event of number `i`, due at `time` (microseconds since 1970); valid until the next call.
    func event(_ i: Int, time: Int64) -> (value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) {
        // The variant of a negative number does not matter: it only says hello.
        let tail = tails[max(i, 0) % tails.count]
        var at = 0
        if job == .a {
            at = put("{\"event_id\":", at)
            at = put(Int64(i), at)
            at = put(",\"ts\":", at)
        } else {
            at = put("{\"ts\":", at)
        }
        at = put(time, at)
        let start = at
        tail.withUnsafeBytes {
            buffer.baseAddress!.advanced(by: at).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
        at += tail.count
        return (
            UnsafeRawBufferPointer(rebasing: buffer[0..<at]),
            UnsafeRawBufferPointer(rebasing: buffer[start + key.lowerBound..<start + key.upperBound])
        )
    }

    private func put(_ text: StaticString, _ at: Int) -> Int {
        buffer.baseAddress!.advanced(by: at).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        return at + text.utf8CodeUnitCount
    }

    private func put(_ number: Int64, _ at: Int) -> Int {
        var rest = number.magnitude
        var digits = 1
        var bound: UInt64 = 10
        while digits < 19, rest >= bound {
            digits += 1
            bound = bound &* 10
        }
        var start = at
        if number < 0 {
            buffer[at] = UInt8(ascii: "-")
            start += 1
        }
        var place = start + digits
        while place > start {
            place -= 1
            buffer[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        return start + digits
    }
}
