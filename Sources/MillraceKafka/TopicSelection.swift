import MillraceCore
import MillraceRuntime

/// Which partitions one shard of one table reads. Plain data: also used on the discovery thread.
struct TopicSelection: Sendable {
    let topics: [String]
    let pattern: String?
    let shard: Int
    let shards: Int
    /// Of any topic, these alone; nil: all.
    var only: Set<Int32>?

    /// Spreads partitions so that every shard, and every later run with as many shards, comes to the same answer without
    /// asking: partition number plus the topic's place in the list (for a pattern: a hash of its name), modulo shards.
    func owns(_ partition: SourcePartition) -> Bool {
        if let only, !only.contains(partition.partition) { return false }
        guard shards > 1 else { return true }
        let base: UInt64
        if let index = topics.firstIndex(of: partition.topic) {
            base = UInt64(index)
        } else {
            // FNV-1a, 64 bits.
            base = partition.topic.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        }
        return Int((base % UInt64(shards) + UInt64(partition.partition)) % UInt64(shards)) == shard
    }

    /// The shard's partitions, topics in the order of the list (pattern: by name), partitions ascending.
    func select(from metadata: [String: [Int32]]) -> [SourcePartition] {
        let names: [String]
        if let pattern {
            // Compiled here because Regex cannot be sent between threads.
            let regex = try? Regex(pattern)
            names = metadata.keys.filter { name in
                guard let regex, !name.hasPrefix("__") else { return false }
                return (try? regex.wholeMatch(in: name)) != nil
            }.sorted()
        } else {
            names = topics
        }
        return names.flatMap { name in
            (metadata[name] ?? []).map { SourcePartition(topic: name, partition: $0) }
        }.filter(owns)
    }
}
