/// One event for a topic.
struct Event {
    var key: [UInt8]?
    var value: [UInt8]
    /// Kafka record timestamp, milliseconds since 1970.
    var timestampMilliseconds: Int64
}

/// Makes realistic events, the odd ones included: late records and bytes that are no JSON.
protocol EventGenerator {
    var topic: String { get }
    /// The next event, created now. nil: the replayed data has ended.
    mutating func next(nowMilliseconds: Int64) -> Event?
    /// Events a second that the data itself asks for (a replay), or nil for the user's rate.
    var ownDueTimes: Bool { get }
    /// Topics that the pipeline writes to.
    var resultTopics: [String] { get }
    /// What happened before the demo begins, in the order of event time; sent before it.
    mutating func history(nowMilliseconds: Int64) -> [Event]
}

extension EventGenerator {
    var ownDueTimes: Bool { false }
    var resultTopics: [String] { [] }
    mutating func history(nowMilliseconds: Int64) -> [Event] { [] }
}
