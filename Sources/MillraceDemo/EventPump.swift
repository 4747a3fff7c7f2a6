internal import MillraceCore
internal import MillraceKafka
internal import MillraceRuntime
internal import Synchronization

/// Sends a generator's events to the embedded broker at a steady rate, from a thread of its own.
final class EventPump: Sendable {
    private let stopped = Atomic<Bool>(false)
    private let sent = Atomic<Int>(0)
    private let failure = Mutex<Diagnostic?>(nil)
    private let thread = Mutex<NamedThread?>(nil)

    var sentEvents: Int { sent.load(ordering: .relaxed) }

    func start(_ generator: any EventGenerator, to broker: EmbeddedBroker, eventsPerSecond: Int) {
        let start = Start(generator: generator, broker: broker, eventsPerSecond: eventsPerSecond)
        let own = NamedThread(name: "millrace-events") { [self] in run(start) }
        thread.withLock { $0 = own }
    }

    /// - Throws: what made the producer give up.
    func stop() throws(Diagnostic) {
        stopped.store(true, ordering: .relaxed)
        let own = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        own?.join()
        if let problem = failure.withLock({ $0 }) { throw problem }
    }

    /// Handed over to the thread, which owns it from then on.
    private final class Start: @unchecked Sendable {
        // Only the thread uses it.
        var generator: any EventGenerator
        let broker: EmbeddedBroker
        let eventsPerSecond: Int
        init(generator: any EventGenerator, broker: EmbeddedBroker, eventsPerSecond: Int) {
            self.generator = generator
            self.broker = broker
            self.eventsPerSecond = eventsPerSecond
        }
    }

    private func run(_ start: Start) {
        do throws(Diagnostic) {
            try sendAsDue(start)
        } catch {
            failure.withLock { $0 = error }
        }
    }

    private func sendAsDue(_ start: Start) throws(Diagnostic) {
        let begin = DemoTime.nowMilliseconds()
        var produced = 0
        while !stopped.load(ordering: .relaxed) {
            let now = DemoTime.nowMilliseconds()
            // What is due by the clock, so a slow tick is made up for and the offered load stays what was asked for.
            let due = start.generator.ownDueTimes ? Int.max : Int(now - begin) * start.eventsPerSecond / 1000
            while produced < due, !stopped.load(ordering: .relaxed) {
                guard let event = start.generator.next(nowMilliseconds: now) else { break }
                try start.broker.produce(event, topic: start.generator.topic)
                produced += 1
                sent.add(1, ordering: .relaxed)
            }
            DemoTime.sleep(milliseconds: 1)
        }
    }
}

extension EmbeddedBroker {
    func produce(_ event: Event, topic: String) throws(Diagnostic) {
        try produce(
            topic: topic, key: event.key, value: event.value, timestampMilliseconds: event.timestampMilliseconds)
    }
}
