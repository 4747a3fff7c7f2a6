import Glibc
import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// When a shard polls its source and drives its session: when their descriptors say so, not at every turn.
struct ReadinessTests {
    /// A descriptor that one end of the pipeline makes readable for the other.
    private final class Signal {
        let descriptor: Int32
        private let writing: Int32

        init() {
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0, "no descriptors left")
            (descriptor, writing) = (ends[0], ends[1])
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        }
        deinit {
            close(descriptor)
            close(writing)
        }

        func raise() { _ = write(writing, "!", 1) }
        func take() -> Bool {
            var byte: UInt8 = 0
            return read(descriptor, &byte, 1) == 1
        }
    }

    /// A record for each time the signal was raised, the first at the start.
    private final class SignalledSource: Source {
        let signal = Signal()
        let partitions = [SourcePartition(topic: "t", partition: 0)]
        private(set) var emptyPolls = 0
        private(set) var next: Int64 = 0

        var descriptor: Int32 { signal.descriptor }
        func isAtEnd(partition: Int) -> Bool { false }
        func start(from positions: [SourcePosition]) throws(Diagnostic) { signal.raise() }
        func nextOffset(partition: Int) -> Int64 { next }
        func committed(_ positions: [SourcePosition]) {}
        func close() {}

        func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
            batch.clear()
            guard signal.take() else {
                emptyPolls += 1
                return .drained
            }
            batch.records.append(partition: 0, offset: next, timestamp: 0, key: .absent, value: .empty)
            batch.rows.columns[0].append(int: next)
            batch.rows.metadata.origins[0] = 0
            batch.rows.count = 1
            next += 1
            return .drained
        }
    }

    /// One transaction in flight, durable once the signal was raised.
    private final class SignalledSession: SinkSession, Sink {
        let signal = Signal()
        var onWrite: (SignalledSession) -> Void = { _ in }
        var onSubmit: (SignalledSession) -> Void = { _ in }
        var onDurable: (SignalledSession) -> Void = { _ in }
        private(set) var rowsByTicket: [Int] = []
        private(set) var emptyDrives = 0
        private var submitted: Int64 = -1
        private var durable: Int64 = -1
        private(set) var uncommittedRows = 0

        var descriptor: Int32 { signal.descriptor }
        var wantsWrite: Bool { false }
        var deadline: Int64? { nil }
        var uncommittedBytes: Int { 0 }
        var canSubmit: Bool { submitted == durable }

        func write(_ batch: ColumnBatch, reject: (Int, RowErrorCode, String) -> Void) throws(Diagnostic) {
            uncommittedRows += batch.count
            onWrite(self)
        }
        func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]) throws(Diagnostic) {
            rowsByTicket.append(uncommittedRows)
            uncommittedRows = 0
            submitted = ticket
            onSubmit(self)
        }
        func drive(now: Int64) throws(Diagnostic) -> Int64 {
            guard signal.take() else {
                emptyDrives += 1
                return durable
            }
            durable = submitted
            onDurable(self)
            return durable
        }
        func close(deadlineMicroseconds: Int64) throws(Diagnostic) {}
    }

    private func shard(_ source: SignalledSource, _ session: SignalledSession) -> Shard {
        let schema = Schema(("id", .bigInt))
        let plan = SourcePlan(
            name: "t", connector: "signalled", options: [:], physicalSchema: schema,
            fields: [SourceField(name: "id", origin: .physical(path: ["id"]), type: .bigInt)])
        let head = Operator(object: "t")
        let sink = SinkOperator(sink: session, object: "s")
        head.connect(to: sink)
        let graph = ShardGraph(
            inputs: [.init(plan: plan, index: 0, source: source, head: head, watermark: nil)], operators: [head, sink],
            sessions: [session], checkpoint: session, lookups: [])
        return Shard(graph: graph, context: ShardContext(clock: SystemClock()), observer: SilentObserver())
    }

    /// While a transaction is under way one more row is written; once it has ended, no source and no server says anything.
    @Test func rowsThatGatheredAreSentAsSoonAsASlotIsFree() throws {
        let (source, session) = (SignalledSource(), SignalledSession())
        let shard = shard(source, session)
        let clock = SystemClock()
        var freed: Int64 = 0
        var waits: [Int64] = []
        session.onWrite = { if $0.rowsByTicket.isEmpty { source.signal.raise() } else { $0.signal.raise() } }
        session.onDurable = { _ in freed = clock.monotonicMicroseconds() }
        session.onSubmit = { session in
            guard session.rowsByTicket.count == 2 else { return }
            waits.append(clock.monotonicMicroseconds() - freed)
            session.signal.raise()
            shard.requestStop()
        }
        try shard.run(from: [:])
        #expect(session.rowsByTicket == [1, 1])
        #expect(waits.count == 1 && waits[0] < 50_000, "the row waited \(waits) us for something else to happen")
    }

    /// An event is one poll and one drive; the heartbeat adds two each 100 ms.
    @Test func nothingIsLookedAtThatIsNotReady() throws {
        let (source, session) = (SignalledSource(), SignalledSession())
        let shard = shard(source, session)
        session.onSubmit = { $0.signal.raise() }
        session.onDurable = { _ in if source.next < 200 { source.signal.raise() } else { shard.requestStop() } }
        try shard.run(from: [:])
        #expect(session.rowsByTicket.reduce(0, +) == 200)
        #expect(source.emptyPolls < 50 && session.emptyDrives < 50, "\(source.emptyPolls), \(session.emptyDrives)")
    }
}
