import MillraceCore
import Testing

/// Visiting the elements of an array without keeping them.
struct BorrowingTests {
    private final class Counted {
        let number: Int
        init(_ number: Int) { self.number = number }
    }
    private struct Stop: Error, Equatable { var at: Int }

    @Test func visitsEveryElementInOrder() {
        let elements = (0..<5).map(Counted.init)
        var seen: [Int] = []
        elements.forEachBorrowed { seen.append($0.number) }
        #expect(seen == [0, 1, 2, 3, 4])
        [Counted]().forEachBorrowed { _ in Issue.record("an element of nothing") }
        #expect(elements.withBorrowed(3) { $0.number } == 3)
        #expect(elements.containsBorrowed { $0.number == 4 })
        #expect(!elements.containsBorrowed { $0.number == 5 })
    }

    @Test func anErrorEndsTheVisit() {
        let elements = (0..<5).map(Counted.init)
        var visits = 0
        #expect(throws: Stop(at: 2)) {
            try elements.forEachBorrowed { (element) throws(Stop) in
                visits += 1
                if element.number == 2 { throw Stop(at: 2) }
            }
        }
        #expect(visits == 3)
    }

    @Test func elementsAreFreedWithTheArray() {
        weak var last: Counted?
        do {
            let elements = (0..<3).map(Counted.init)
            last = elements[2]
            elements.forEachBorrowed { _ in }
            #expect(elements.withBorrowed(2) { $0 } === last)
        }
        #expect(last == nil)
    }

    @Test func sameArrayIsTheSameMemory() {
        let elements = (0..<3).map(Counted.init)
        let held = elements
        var other = elements
        #expect(held.isSameArray(as: elements))
        // Changing one of two that share their memory gives it memory of its own.
        other[0] = Counted(9)
        #expect(!held.isSameArray(as: other))
        #expect(held.isSameArray(as: elements))
    }
}
