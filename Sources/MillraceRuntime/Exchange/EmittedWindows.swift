import MillraceCore

/// Which windows had been emitted, for which keys, before a restart.
///
/// Every owner of a run on several shards stores one sentence: "shard i of n has emitted all windows that end at or before
/// t, for the keys it owns". Such a sentence stays true for ever, also for runs with another number of shards, so they are
/// only ever added up. They are kept beside the positions, as rows whose topic no Kafka topic can be called.
struct EmittedWindows: Equatable {
    /// Emitted for every key.
    private(set) var floor = EventTime.none
    /// Emitted for some.
    private(set) var ceiling = EventTime.none
    /// By number of shards: what each had emitted.
    private var through: [Int: [Int64]] = [:]

    /// The owner among `shards` of the keys with this hash.
    @inline(__always)
    static func owner(of hash: UInt64, shards: Int) -> Int {
        // By the upper bits: the lower ones choose slots in hash tables.
        Int(((hash >> 32) &* UInt64(truncatingIfNeeded: shards)) >> 32)
    }

    mutating func add(shard: Int, of shards: Int, through watermark: Int64) {
        guard shard >= 0, shard < shards else { return }
        through[shards, default: Array(repeating: EventTime.none, count: shards)][shard] = watermark
        ceiling = max(ceiling, watermark)
        floor = through.values.reduce(EventTime.none) { max($0, $1.min()!) }
    }

    /// What this very shard among as many had emitted.
    func through(shard: Int, of shards: Int) -> Int64 { through[shards]?[shard] ?? EventTime.none }

    /// True when the window whose last millisecond is `last` had been emitted for the keys with this hash.
    func covers(hash: UInt64, last: Int64) -> Bool {
        if last <= floor { return true }
        guard last <= ceiling else { return false }
        return through.contains { shards, watermarks in
            last <= watermarks[EmittedWindows.owner(of: hash, shards: shards)]
        }
    }

    // MARK: - In the database

    /// The source name of the rows.
    static let sourceName: SourceName = "(exchange)"

    /// One sentence as a position. `window`: which of the plan's window aggregates, from 0.
    static func position(window: Int, shard: Int, of shards: Int, through watermark: Int64) -> SourcePosition {
        SourcePosition(
            partition: SourcePartition(topic: "(window \(window), \(shards) shards)", partition: Int32(shard)),
            nextOffset: 0, replayOffset: 0, emittedWatermark: watermark)
    }

    /// Adds up the sentences about one window aggregate.
    init(_ positions: [SourceName: [SourcePosition]] = [:], window: Int = 0) {
        for position in positions[EmittedWindows.sourceName] ?? [] {
            let words = position.partition.topic.split { $0 == " " || $0 == "," || $0 == ")" }
            guard words.count == 4, words[0] == "(window", Int(words[1]) == window, let shards = Int(words[2]),
                shards > 0, shards <= 1 << 16
            else { continue }
            add(shard: Int(position.partition.partition), of: shards, through: position.emittedWatermark)
        }
    }
}
