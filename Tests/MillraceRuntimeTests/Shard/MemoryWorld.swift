import MillraceCore
import MillraceRuntime
import MillraceTestSupport

/// Partitions that are read in random bites. Throws `Crash` when its time has come: a process that dies between two calls.
final class ScriptedSource: Source {
    let log: [[[Value]]]
    let partitions: [SourcePartition]
    let descriptor: Int32 = -1
    private var next: [Int]
    private var random: SeededGenerator
    private var pollsLeft: Int
    /// The most records of one poll.
    var bite = 20
    private let isBounded: Bool

    static let crash = Diagnostic("the process dies here", fault: .bug)

    /// - Parameter numbers: of the partitions that `log` holds; by default they are counted from 0.
    init(_ log: [[[Value]]], numbers: [Int]? = nil, random: SeededGenerator, crashAfterPolls: Int?) {
        self.log = log
        self.random = random
        partitions = (numbers ?? Array(log.indices)).map { SourcePartition(topic: "t", partition: Int32($0)) }
        next = log.map { _ in 0 }
        pollsLeft = crashAfterPolls ?? .max
        isBounded = crashAfterPolls == nil
    }

    func isAtEnd(partition: Int) -> Bool { next[partition] == log[partition].count }
    func start(from positions: [SourcePosition]) throws(Diagnostic) {
        for position in positions {
            guard let index = partitions.firstIndex(of: position.partition) else { continue }
            next[index] = Int(position.replayOffset)
        }
    }
    func nextOffset(partition: Int) -> Int64 { Int64(next[partition]) }
    func committed(_ positions: [SourcePosition]) {}
    func close() {}

    func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
        batch.clear()
        pollsLeft -= 1
        if pollsLeft < 0 { throw ScriptedSource.crash }
        for _ in 0..<Int.random(in: 0...bite, using: &random) where !log.isEmpty {
            let partition = Int.random(in: 0..<log.count, using: &random)
            guard next[partition] < log[partition].count else { continue }
            let origin = batch.records.count
            batch.records.append(
                partition: Int32(partition), offset: Int64(next[partition]), timestamp: 0, key: .absent, value: .empty)
            for (column, value) in zip(batch.rows.columns, log[partition][next[partition]]) {
                column.append(value, arena: batch.arena)
            }
            batch.rows.metadata.reserve(batch.rows.count + 1)
            batch.rows.metadata.origins[batch.rows.count] = Int32(origin)
            batch.rows.count += 1
            next[partition] += 1
        }
        let isDone = log.indices.allSatisfy { next[$0] == log[$0].count }
        return isDone && isBounded ? .finished : .more
    }
}

/// What a database keeps when its client dies: committed transactions, nothing else.
final class MemoryDatabase {
    var rows: [String: [[Value]]] = [:]
    var deadLetters: [DeadLetter] = []
    var positions: [SourceName: [SourcePartition: SourcePosition]] = [:]
    /// By operator and group.
    var snapshots: [[Int]: (sequence: Int64, bytes: [UInt8])] = [:]
    var log: [Int64: [UInt8]] = [:]
    var droppedEntries = 0
    var runs: Int64 = 0
}

/// A session with two transactions in flight that commit whenever chance says so, the dying client's included.
final class MemorySession: StateSession {
    private struct Transaction {
        var ticket: Int64
        var rows: [String: [[Value]]]
        var positions: SourceProgress
        var deadLetters: [DeadLetter]
        var changes: [UInt8]
        var snapshots: [(place: [Int], bytes: [UInt8])]
        var dropped: ClosedRange<Int64>?
    }
    let openChanges = ByteBuffer()
    private var openSnapshots: [(place: [Int], bytes: [UInt8])] = []
    private var openDrop: ClosedRange<Int64>?
    private let run: Int64
    private let database: MemoryDatabase
    private var random: SeededGenerator
    fileprivate var pending: [String: [[Value]]] = [:]
    private var inFlight: [Transaction] = []
    private var durable: Int64 = -1
    /// A transaction is done with a chance of two in this many, each time one looks.
    var slowness = 3

    init(_ database: MemoryDatabase, random: SeededGenerator) {
        self.database = database
        self.random = random
        database.runs += 1
        run = database.runs
    }

    let descriptor: Int32 = -1
    let wantsWrite = false
    let keepsDeadLetters = true
    let deadline: Int64? = nil
    let uncommittedBytes = 0
    var uncommittedRows: Int { pending.values.reduce(0) { $0 + $1.count } }
    var canSubmit: Bool { inFlight.count < 2 }

    func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]) throws(Diagnostic) {
        precondition(canSubmit, "submitted without a free slot")
        precondition(
            !(pending.isEmpty && deadLetters.isEmpty && positions.allSatisfy(\.positions.isEmpty)),
            "submitted although nothing has happened")
        inFlight.append(
            Transaction(
                ticket: ticket, rows: pending, positions: positions, deadLetters: deadLetters,
                changes: openChanges.bytes.array, snapshots: openSnapshots, dropped: openDrop))
        pending = [:]
        openChanges.clear()
        openSnapshots = []
        openDrop = nil
    }

    func addSnapshot(operator index: Int, group: Int, _ snapshot: ByteRef) {
        openSnapshots.append(([index, group], snapshot.array))
    }
    func dropLog(_ sequences: ClosedRange<Int64>) { openDrop = sequences }
    func sequence(of ticket: Int64) -> Int64 { run << 40 | ticket }

    func readState(
        snapshot: (Int, Int, Int64, ByteRef) throws(Diagnostic) -> Void,
        changes: (Int64, ByteRef) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        let buffer = ByteBuffer()
        func with(_ bytes: [UInt8]) -> ByteRef {
            buffer.clear()
            for byte in bytes { buffer.append(byte) }
            return buffer.bytes
        }
        for (place, stored) in database.snapshots {
            try snapshot(place[0], place[1], stored.sequence, with(stored.bytes))
        }
        for (sequence, bytes) in database.log.sorted(by: { $0.key < $1.key }) { try changes(sequence, with(bytes)) }
    }

    func drive(now: Int64) throws(Diagnostic) -> Int64 {
        while !inFlight.isEmpty, Int.random(in: 0..<slowness, using: &random) < 2 { commitFirst() }
        return durable
    }

    func close(deadlineMicroseconds: Int64) throws(Diagnostic) { while !inFlight.isEmpty { commitFirst() } }

    /// The client is gone: what is on the wire may still commit, in order.
    func die() {
        while !inFlight.isEmpty, Bool.random(using: &random) { commitFirst() }
        inFlight = []
    }

    private func commitFirst() {
        let transaction = inFlight.removeFirst()
        durable = transaction.ticket
        for (sink, rows) in transaction.rows { database.rows[sink, default: []] += rows }
        database.deadLetters += transaction.deadLetters
        let sequence = sequence(of: transaction.ticket)
        if !transaction.changes.isEmpty { database.log[sequence] = transaction.changes }
        for (place, bytes) in transaction.snapshots { database.snapshots[place] = (sequence, bytes) }
        if let dropped = transaction.dropped {
            let before = database.log.count
            database.log = database.log.filter { !dropped.contains($0.key) }
            database.droppedEntries += before - database.log.count
        }
        for (source, positions) in transaction.positions {
            for position in positions { database.positions[source, default: [:]][position.partition] = position }
        }
    }
}

final class MemorySink: Sink {
    private let name: String
    private let session: MemorySession
    init(_ name: String, _ session: MemorySession) {
        self.name = name
        self.session = session
    }
    func write(_ batch: ColumnBatch, reject: (Int, RowErrorCode, String) -> Void) throws(Diagnostic) {
        session.pending[name, default: []] += batch.rows
    }
}

final class SilentObserver: ShardObserver {
    func polled(source: Int, records: Int) {}
    func wrote(sink: String, rows: Int) {}
    func rejected(_ letter: DeadLetter) {}
    func committed(rows: Int, latencies: [Int64]) {}
    func advanced(source: Int, watermark: Int64) {}
    func finished(source: Int) {}
    func holds(_ state: [OperatorState], shard: Int) {}
}
