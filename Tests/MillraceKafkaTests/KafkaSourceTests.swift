import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceKafka

/// Against the broker inside the process.
@Suite struct KafkaSourceTests {
    func broker(_ topic: String, partitions: Int = 1, values: [String]) throws -> EmbeddedBroker {
        let broker = try EmbeddedBroker(topics: [(topic, partitions)])
        for (i, value) in values.enumerated() {
            try broker.produce(topic: topic, value: text(value), partition: Int32(i % partitions))
        }
        #expect(broker.flush())
        return broker
    }
    func options(_ broker: EmbeddedBroker, _ topic: String, _ more: [String: String] = [:]) -> [String: String] {
        [
            "topic": topic, "properties.bootstrap.servers": broker.bootstrapServers,
            "scan.startup.mode": "earliest-offset",
        ].merging(more) { $1 }
    }

    @Test(
        arguments: [
            ("earliest-offset", [:], [0, 1, 2, 3, 4] as [Int64]),
            ("group-offsets", [:], [0, 1, 2, 3, 4]),
            ("group-offsets", ["properties.auto.offset.reset": "latest"], []),
            ("latest-offset", [:], []),
            ("specific-offsets", ["scan.startup.specific-offsets": "partition:0,offset:3"], [3, 4]),
        ] as [(String, [String: String], [Int64])])
    func startupMode(mode: String, more: [String: String], expected: [Int64]) throws {
        let broker = try broker("t", values: (0..<5).map { "a=\($0)" })
        let options = options(broker, "t", more.merging(["scan.startup.mode": mode]) { $1 })
        let harness = try SourceHarness(options).start()
        try broker.produce(topic: "t", value: text("a=99"))
        #expect(try harness.run { $0.a.last == 99 })
        #expect(harness.a == expected + [99])
        #expect(harness.source.nextOffset(partition: 0) == 6)
    }

    @Test func committedOffsetsAreTheGroupsStart() throws {
        let broker = try broker("t", values: (0..<5).map { "a=\($0)" })
        let options = options(broker, "t", ["scan.startup.mode": "group-offsets"])
        let first = try SourceHarness(options).start()
        #expect(try first.run { $0.a.count == 5 })
        first.source.committed([position("t", 0, next: 3)])
        first.source.close()
        let second = try SourceHarness(options).start()
        #expect(try second.run { $0.a.count == 2 })
        #expect(second.a == [3, 4])
    }

    @Test func storedPositionsWinAndReplay() throws {
        let broker = try broker("t", partitions: 2, values: (0..<10).map { "a=\($0)" })
        let harness = try SourceHarness(options(broker, "t", ["scan.startup.mode": "latest-offset"]))
        try harness.start([position("t", 1, next: 4, replay: 2), position("gone", 0, next: 7)])
        try broker.produce(topic: "t", value: text("a=10"), partition: 0)
        #expect(try harness.run { $0.a.count == 4 })
        #expect(harness.a.sorted() == [5, 7, 9, 10])
        #expect(harness.offsets == [0: [5], 1: [2, 3, 4]])
    }

    @Test(
        arguments: [
            ("latest-offset", [:], [0, 1, 2, 3, 4] as [Int64]),
            ("specific-offsets", ["scan.bounded.specific-offsets": "partition:0,offset:2"], [0, 1]),
            ("specific-offsets", ["scan.bounded.specific-offsets": "partition:0,offset:0"], []),
        ] as [(String, [String: String], [Int64])])
    func boundedMode(mode: String, more: [String: String], expected: [Int64]) throws {
        let broker = try broker("t", values: (0..<5).map { "a=\($0)" })
        let options = options(broker, "t", more.merging(["scan.bounded.mode": mode]) { $1 })
        let harness = try SourceHarness(options).start()
        try broker.produce(topic: "t", value: text("a=99"))
        broker.flush()
        #expect(try harness.run { $0.isFinished })
        #expect(harness.a == expected)
    }

    @Test func boundedEndsOnAnEmptyTopic() throws {
        let broker = try broker("t", partitions: 3, values: [])
        let harness = try SourceHarness(options(broker, "t", ["scan.bounded.mode": "latest-offset"])).start()
        #expect(try harness.run(seconds: 2) { $0.isFinished })
    }

    @Test func metadataColumns() throws {
        let broker = try EmbeddedBroker(topics: [("t", 1)])
        try broker.produce(
            topic: "t", value: text("a=1"), timestampMilliseconds: 1_700_000_000_123, partition: 0,
            headers: [("x", text("1")), ("y", nil), ("x", text("2"))])
        try broker.produce(topic: "t", value: text("a=2|a=3"), timestampMilliseconds: 1_700_000_000_456, partition: 0)
        broker.flush()
        let keys: [MetadataKey] = [.topic, .partition, .offset, .timestamp, .timestampType, .headers, .headerList]
        let harness = try SourceHarness(
            options(broker, "t"),
            metadata: keys.map { (name: $0.rawValue, type: $0.type) }
                + [(name: "leader-epoch", type: .integer)]
        ).start()
        #expect(try harness.run { $0.rows.count == 3 })
        let name = { Value.string($0) }
        #expect(
            harness.rows.map { Array($0[2...6]) } == [
                [name("t"), .integer(0), .integer(0), .integer(1_700_000_000_123_000), name("CreateTime")],
                [name("t"), .integer(0), .integer(1), .integer(1_700_000_000_456_000), name("CreateTime")],
                [name("t"), .integer(0), .integer(1), .integer(1_700_000_000_456_000), name("CreateTime")],
            ])
        #expect(harness.rows[0][7] == .map([(name("x"), .bytes(text("2"))), (name("y"), .null)]))
        #expect(
            harness.rows[0][8]
                == .array([
                    .row([name("x"), .bytes(text("1"))]), .row([name("y"), .null]),
                    .row([name("x"), .bytes(text("2"))]),
                ]))
        #expect(harness.rows[1][7] == .map([]))
        #expect(harness.origins == ["0/0", "0/1", "0/1"])
    }

    @Test func keysValuesAndFailures() throws {
        let broker = try EmbeddedBroker(topics: [("t", 1)])
        for (key, value) in [
            ("id=7", "a=1"), (nil, "a=2"), ("id=8", "a=3|a=4"), ("!", "a=5"), ("id=9|id=10", "a=6"), ("-", "a=7"),
            ("id=11", "!"), ("id=12", "-"), ("id=13", nil), ("!", "!"), ("id=14", "a=8"),
        ] as [(String?, String?)] {
            try broker.produce(topic: "t", key: key.map(text), value: value.map(text), partition: 0)
        }
        broker.flush()
        let harness = try SourceHarness(
            options(
                broker, "t",
                [
                    "key.format": "fake", "key.fields": "k_id", "key.fields-prefix": "k_",
                    "value.fields-include": "EXCEPT_KEY",
                ]), physical: [Field("a", .integer), Field("k_id", .integer)]
        )
        // The toy decoder looks fields up by path, so it proves that the prefix was taken off.
        try harness.start()
        #expect(try harness.run { $0.a.last == 8 })
        let expected: [[Value]] = [
            [.integer(1), .integer(7)], [.integer(2), .null], [.integer(3), .integer(8)], [.integer(4), .integer(8)],
            [.integer(6), .integer(9)], [.integer(6), .integer(10)], [.integer(8), .integer(14)],
        ]
        #expect(harness.rows == expected)
        #expect(harness.origins == ["0/0", "0/1", "0/2", "0/2", "0/4", "0/4", "0/10"])
        #expect(harness.rejected.map(\.offset).sorted() == [3, 6, 9])
        #expect(harness.rejected.allSatisfy { $0.reason == .undecodable })
    }

    @Test func oversizedMessagesAreRejectedWithTheirHeaders() throws {
        let broker = try EmbeddedBroker(topics: [("t", 1)])
        try broker.produce(topic: "t", value: text("a=1"), partition: 0)
        try broker.produce(
            topic: "t", value: text("a=2,b=" + String(repeating: "x", count: 200)), partition: 0,
            headers: [("h", text("v"))])
        try broker.produce(topic: "t", value: text("a=3"), partition: 0)
        broker.flush()
        var limits = Limits()
        limits.messageBytes = 100
        let harness = try SourceHarness(options(broker, "t"), limits: limits).start()
        var headers: [String] = []
        #expect(
            try harness.run { harness in
                for r in harness.batch.rejected {
                    headers = harness.batch.records.headers!(Int(r.record)).map { $0.name + "=" + $0.value.text }
                }
                return harness.a == [1, 3]
            })
        #expect(harness.rejected.map(\.offset) == [1])
        #expect(harness.rejected.first?.reason == .limitExceeded)
        #expect(headers == ["h=v"])
    }

    @Test func standsAtTheEndOnlyWhenThereIsNoMore() throws {
        let broker = try broker("t", values: (0..<5).map { "a=\($0)" })
        let harness = try SourceHarness(options(broker, "t")).start()
        #expect(!harness.isAtEnd)
        #expect(try harness.run { $0.a.count == 5 && $0.isAtEnd })
        try broker.produce(topic: "t", value: text("a=5"))
        #expect(try harness.run { $0.a.count == 6 && $0.isAtEnd })
        let empty = try SourceHarness(options(broker, "t", ["scan.startup.mode": "latest-offset"])).start()
        #expect(empty.isAtEnd)
    }

    @Test func smallBatchesLoseNothing() throws {
        let broker = try broker("t", partitions: 3, values: (0..<1000).map { "a=\($0)" })
        var limits = Limits()
        limits.batchRows = 7
        let harness = try SourceHarness(options(broker, "t"), limits: limits).start()
        #expect(try harness.run { $0.a.count >= 1000 })
        #expect(harness.a.sorted() == Array(0..<1000))
        for list in harness.offsets.values { #expect(list == list.sorted()) }
    }

    @Test func shardsShareThePartitions() throws {
        let broker = try broker("t", partitions: 5, values: (0..<50).map { "a=\($0)" })
        var all: [Int64] = []
        var seen: [SourcePartition] = []
        for shard in 0..<2 {
            let harness = try SourceHarness(
                options(broker, "t", ["scan.bounded.mode": "latest-offset"]), shard: shard, shards: 2
            ).start()
            #expect(try harness.run { $0.isFinished })
            #expect(harness.source.partitions.allSatisfy { Int($0.partition) % 2 == shard })
            all += harness.a
            seen += harness.source.partitions
        }
        #expect(all.sorted() == Array(0..<50))
        #expect(Set(seen).count == 5)
    }

    @Test func newTopicsOfAPatternAreFound() throws {
        let broker = try broker("orders-1", values: ["a=1"])
        let harness = try SourceHarness([
            "topic-pattern": "orders-\\d+", "properties.bootstrap.servers": broker.bootstrapServers,
            "scan.startup.mode": "latest-offset", "scan.topic-partition-discovery.interval": "100 ms",
        ]).start()
        broker.createTopic("orders-2", partitions: 2)
        broker.createTopic("other", partitions: 1)
        try broker.produce(topic: "orders-2", value: text("a=2"), partition: 0)
        try broker.produce(topic: "orders-2", value: text("a=3"), partition: 1)
        try broker.produce(topic: "other", value: text("a=4"), partition: 0)
        broker.flush()
        #expect(try harness.run { $0.a.count == 2 })
        #expect(harness.a.sorted() == [2, 3])
        #expect(harness.source.partitions.count == 3)
        try broker.produce(topic: "orders-1", value: text("a=5"), partition: 0)
        #expect(try harness.run { $0.a.last == 5 })
    }

    @Test func outageIsSurvivedAndLoggedOnce() throws {
        let broker = try broker("t", values: ["a=1"])
        let recorder = LogRecorder()
        let harness = try SourceHarness(options(broker, "t"), log: recorder.log).start()
        #expect(try harness.run { $0.a == [1] })
        broker.setReachable(false)
        #expect(try harness.run { _ in recorder.count("away") == 1 })
        try harness.run(seconds: 1) { _ in false }
        broker.setReachable(true)
        try broker.produce(topic: "t", value: text("a=2"))
        #expect(try harness.run { $0.a == [1, 2] })
        #expect(recorder.count("away") == 1)
        #expect(recorder.count("back") == 1)
    }

    @Test func lostOffsetNamesTheChoices() throws {
        let broker = try broker("t", values: ["a=1", "a=2"])
        let error = #expect(throws: Diagnostic.self) {
            try SourceHarness(options(broker, "t")).start([position("t", 0, next: 40)])
        }
        #expect(error?.fault == .external)
        #expect(error?.hint?.contains("auto.offset.reset") == true)
        let harness = try SourceHarness(options(broker, "t", ["properties.auto.offset.reset": "earliest"]))
        try harness.start([position("t", 0, next: 40)])
        #expect(try harness.run { $0.a == [1, 2] })
    }

    @Test func tablesOfTheEmbeddedBrokerMakeTheirTopics() throws {
        let broker = try EmbeddedBroker(topics: [])
        let plan = SourcePlan(
            name: "bids", connector: "kafka", options: options(broker, "fresh", ["format": "fake"]),
            physicalSchema: Schema([]), fields: [])
        let found = try KafkaConnector.checkTopics(plan: plan)
        #expect(found.map(\.topic) == ["fresh"] && found.map(\.partitions) == [4])
    }

    @Test func unreachableBrokerEndsTheStart() throws {
        let harness = try SourceHarness(["topic": "t", "properties.bootstrap.servers": "127.0.0.1:1"])
        harness.source.startTimeoutMilliseconds = 700
        let error = #expect(throws: Diagnostic.self) { try harness.start() }
        #expect(error?.fault == .external)
        #expect(error?.message.contains("could not reach") == true)
    }
}
