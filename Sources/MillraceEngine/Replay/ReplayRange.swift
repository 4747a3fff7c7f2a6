internal import MillraceCore
internal import MillraceKafka
internal import MillraceRuntime

/// Which records of a topic are read, and which of them are compared.
struct ReplayRange {
    let topic: String
    /// Offsets to compare, by partition.
    private(set) var compared: [Int32: Range<Int64>] = [:]
    /// Where reading begins, and how far rows are only history.
    private(set) var positions: [SourcePosition] = []

    /// Asks the broker which offsets there are.
    ///
    /// - Throws: `.user` when the range is not in the topic; `.external` when the broker cannot be asked.
    init(_ request: ReplayRequest, of source: SourcePlan) throws(Diagnostic) {
        let topics = try KafkaConnector.offsets(plan: source)
        let names = Set(topics.map(\.partition.topic))
        guard names.count == 1, let topic = names.first else {
            throw Diagnostic(
                "table \"\(source.name)\" reads \(names.count) topics, of which a partition's number says nothing",
                hint: "Replay works with tables of one topic.")
        }
        self.topic = topic
        func known(_ place: ReplayRequest.Place, _ option: String) throws(Diagnostic) -> Range<Int64> {
            guard let found = topics.first(where: { $0.partition.partition == place.partition }) else {
                throw Diagnostic("\(option): topic \"\(topic)\" has no partition \(place.partition)")
            }
            guard (found.low...found.high).contains(place.offset) else {
                throw Diagnostic(
                    "\(option): partition \(place.partition) of topic \"\(topic)\" has no offset \(place.offset)",
                    hint: found.low == found.high
                        ? "It is empty." : "Its records are \(found.low) to \(found.high - 1).")
            }
            return found.low..<found.high
        }
        for place in request.to {
            _ = try known(place, "--to")
            guard request.from.contains(where: { $0.partition == place.partition }) else {
                throw Diagnostic("--to names partition \(place.partition), --from does not")
            }
        }
        for place in request.from {
            let all = try known(place, "--from")
            let end = request.to.first { $0.partition == place.partition }?.offset ?? all.upperBound
            guard place.offset <= end else {
                throw Diagnostic("--to \(place.partition):\(end) is before --from \(place.partition):\(place.offset)")
            }
            guard compared.updateValue(place.offset..<end, forKey: place.partition) == nil else {
                throw Diagnostic("--from names partition \(place.partition) twice")
            }
            var start = place.offset
            switch request.history {
            case nil: break
            case .earliest: start = all.lowerBound
            case .places(let places):
                guard let given = places.first(where: { $0.partition == place.partition }) else {
                    throw Diagnostic("--history does not name partition \(place.partition)")
                }
                _ = try known(given, "--history")
                guard given.offset <= place.offset else {
                    throw Diagnostic("--history \(given.partition):\(given.offset) is behind --from")
                }
                start = given.offset
            }
            positions.append(
                SourcePosition(
                    partition: SourcePartition(topic: topic, partition: place.partition), nextOffset: place.offset,
                    replayOffset: start))
        }
    }

    /// As option `scan.bounded.specific-offsets` wants it.
    var bounds: String {
        compared.sorted { $0.key < $1.key }.map { "partition:\($0.key),offset:\($0.value.upperBound)" }
            .joined(separator: ";")
    }
}

/// What stands at the ends of a graph in place of the sinks.
struct ReplayEnds {
    /// Index of the stream among the plan's sources, and the partitions of it that are read.
    let stream: Int
    let partitions: Set<Int32>
    /// One for each of the plan's sinks.
    let sinks: [StoredRowComparison]
}
