import MillraceTestSupport
import Testing

@testable import MillraceRuntime

struct RetryBackoffTests {
    @Test(arguments: [(1, 50, 100), (2, 100, 200), (3, 200, 400), (4, 400, 800), (5, 500, 1000), (40, 500, 1000)])
    func doublesUpToTheBoundAndLeavesHalfToChance(failures: Int, least: Int64, most: Int64) {
        let backoff = RetryBackoff(baseMicroseconds: 100, maximumMicroseconds: 1000)
        var random = SeededGenerator(seed: UInt64(failures))
        var seen: Set<Int64> = []
        for _ in 0..<200 {
            let delay = backoff.delay(failures: failures, retryAfter: nil, using: &random)
            #expect((least...most).contains(delay))
            seen.insert(delay)
        }
        #expect(seen.count > 20)
    }

    @Test func theServersWordIsWaitedOutWithinReason() {
        let backoff = RetryBackoff(baseMicroseconds: 100, maximumMicroseconds: 1000)
        var random = SeededGenerator(seed: 1)
        #expect(backoff.delay(failures: 1, retryAfter: 5000, using: &random) == 5000)
        #expect(backoff.delay(failures: 1, retryAfter: 1_000_000, using: &random) == 10_000)
        #expect(backoff.delay(failures: 1, retryAfter: 0, using: &random) >= 50)
        let none = RetryBackoff(baseMicroseconds: 0, maximumMicroseconds: 0)
        #expect(none.delay(failures: 3, retryAfter: nil, using: &random) == 0)
    }
}

struct CircuitBreakerTests {
    /// `#expect` takes no mutating calls.
    private final class Held {
        var breaker: CircuitBreaker
        init(failures: Int) { breaker = CircuitBreaker(failures: failures, pauseMicroseconds: 100) }
        func failed(_ now: Int64) -> Bool { breaker.failed(now: now) }
        func succeeded() -> Bool { breaker.succeeded() }
        func mayCall(_ now: Int64) -> Bool { breaker.mayCall(now: now) }
    }

    @Test func opensTriesAndCloses() {
        let held = Held(failures: 3)
        for _ in 0..<2 { #expect(!held.failed(0)) }
        #expect(!held.succeeded())
        // A success starts the count anew.
        for _ in 0..<2 { #expect(!held.failed(10)) }
        #expect(held.failed(10))
        #expect(held.breaker.state == .open(until: 110))
        #expect(!held.mayCall(109))
        // One that had left before says nothing new.
        #expect(!held.failed(50))
        #expect(held.breaker.deadline == 110)
        #expect(held.mayCall(110))
        #expect(!held.mayCall(110), "one call tries")
        #expect(held.failed(120))
        #expect(held.breaker.deadline == 220)
        #expect(held.mayCall(220))
        #expect(held.succeeded())
        #expect(held.mayCall(221))
        #expect(held.mayCall(221))
    }

    @Test func aTryThatIsBrokenOffLetsAnotherTry() {
        let held = Held(failures: 1)
        #expect(held.failed(0))
        #expect(held.mayCall(100))
        held.breaker.gaveUp(now: 150)
        #expect(held.mayCall(150))
    }

    @Test func zeroNeverOpens() {
        let held = Held(failures: 0)
        for _ in 0..<100 { #expect(!held.failed(0)) }
        #expect(held.mayCall(0))
    }
}

struct InFlightOffsetsTests {
    /// Against a plain list, with offsets that repeat and go back.
    @Test func knowsTheOldestExactly() {
        for seed in UInt64(1)...50 {
            var random = SeededGenerator(seed: seed)
            var offsets = InFlightOffsets()
            var list: [Int64] = []
            var newest = Int64.min
            var next: Int64 = 0
            for _ in 0..<2000 {
                if Bool.random(using: &random) || list.isEmpty {
                    next += Int64.random(in: -2...3, using: &random)
                    offsets.enter(next)
                    list.append(next)
                } else {
                    let offset = list.removeFirst()
                    newest = max(newest, offset)
                    offsets.leave(offset)
                }
                #expect(offsets.oldest == list.min(), "seed \(seed)")
                #expect(offsets.count == list.count)
                #expect(offsets.isTorn == list.contains { $0 <= newest }, "seed \(seed)")
            }
        }
    }
}
