/// When each event is due: an open loop, so the times do not depend on how anything keeps up.
public struct EventSchedule: Sendable {
    /// Due time of event 0, microseconds since 1970.
    public var start: Int64
    public var eventsPerSecond: Int
    public var count: Int

    public init(start: Int64, eventsPerSecond: Int, count: Int) {
        self.start = start
        self.eventsPerSecond = eventsPerSecond
        self.count = count
    }

    /// Microseconds from `start` to event `i`.
    public func offset(_ i: Int) -> Int64 { Int64(i) * 1_000_000 / Int64(eventsPerSecond) }
    public func due(_ i: Int) -> Int64 { start + offset(i) }
    /// The moment behind the last event's.
    public var end: Int64 { due(count) }

    /// The first event that is due at `time` or later; may be `count` or beyond.
    public func first(atOrAfter time: Int64) -> Int {
        guard time > start else { return 0 }
        let parts = (time - start) * Int64(eventsPerSecond)
        return Int((parts + 999_999) / 1_000_000)
    }
}
