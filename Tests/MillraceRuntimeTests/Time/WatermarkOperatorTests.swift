import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct WatermarkOperatorTests {
    /// Rowtime and expression are both `ts`; the wall clock starts at 100 s.
    func make(
        partitions: Int = 2, idle: Int64 = 1_000_000, advances: Bool = true, bound: Int64 = 0, isBounded: Bool = false
    ) throws -> (WatermarkOperator, OperatorHarness) {
        let watermark = try WatermarkOperator(
            WatermarkPlan(
                rowtimeColumn: 1, expression: .column(1, .timestamp(precision: 3)), idleTimeoutMicroseconds: idle,
                advancesWhenIdle: advances, boundMicroseconds: bound),
            partitions: partitions, isBounded: isBounded, object: "bids")
        return (
            watermark, OperatorHarness(watermark, input: bids, clock: ManualClock(wallMicroseconds: 100_000_000))
        )
    }

    func tick(_ watermark: WatermarkOperator, _ harness: OperatorHarness, atEnd: Set<Int>) throws {
        try watermark.tick(
            now: harness.clock.wallMicroseconds(), isAtEnd: atEnd.contains, context: harness.context)
    }

    @Test func minimumOfPartitionsPerRecordAndNeverBack() throws {
        for batching in Batching.usual {
            let (watermark, harness) = try make()
            try harness.feed(
                [
                    bid("a", 5000, partition: 0), bid("a", 3000, partition: 1), bid("a", 4000, partition: 1),
                    bid("a", 1000, partition: 1), bid("a", 9000, partition: 1), bid("a", 6000, partition: 0),
                ], batching)
            #expect(
                harness.collected.rowWatermarks == [EventTime.none, EventTime.none, 3000, 4000, 4000, 5000],
                "\(batching)")
            #expect(harness.collected.watermarks.last == 6000)
            #expect(watermark.partitionWatermarks == [6000, 9000])
            #expect(watermark.combinedWatermark == 6000)
        }
    }

    @Test func microsecondsAreFlooredAlsoBefore1970() throws {
        let (_, harness) = try make(partitions: 1)
        try harness.feed([ScriptedRow([.null, .integer(-1), .null])])
        #expect(harness.collected.watermarks == [-1])
    }

    @Test func silentPartitionHoldsUntilIdle() throws {
        let (watermark, harness) = try make(advances: false)
        try harness.feed([bid("a", 1000, partition: 1)])
        try harness.feed([bid("a", 5000, partition: 0)])
        #expect(watermark.combinedWatermark == 1000)
        harness.clock.advance(milliseconds: 900)
        try harness.feed([bid("a", 6000, partition: 0)])
        harness.clock.advance(milliseconds: 99)
        try tick(watermark, harness, atEnd: [1])
        #expect(watermark.combinedWatermark == 1000)
        harness.clock.advance(milliseconds: 1)
        // Behind, not idle: a slow reader loses nothing.
        try tick(watermark, harness, atEnd: [])
        #expect(watermark.combinedWatermark == 1000)
        // The timeout runs anew from then: what stood before the reader (an outage) says nothing of the partition.
        harness.clock.advance(milliseconds: 999)
        try tick(watermark, harness, atEnd: [1])
        #expect(watermark.combinedWatermark == 1000)
        harness.clock.advance(milliseconds: 1)
        try tick(watermark, harness, atEnd: [1])
        #expect(watermark.combinedWatermark == 6000)
        // It comes back with old rows: they do not pull event time back.
        try harness.feed([bid("a", 2000, partition: 1)])
        #expect(watermark.combinedWatermark == 6000)
        try harness.feed([bid("a", 9000, partition: 0)])
        #expect(watermark.combinedWatermark == 6000)
        try harness.feed([bid("a", 7000, partition: 1)])
        #expect(watermark.combinedWatermark == 7000)
    }

    @Test func partitionThatNeverDeliveredIsIdleAtOnceAtItsEnd() throws {
        let (watermark, harness) = try make()
        try harness.feed([bid("a", 5000, partition: 0)])
        #expect(watermark.combinedWatermark == EventTime.none)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == EventTime.none)
        try tick(watermark, harness, atEnd: [0, 1])
        #expect(watermark.combinedWatermark == 5000)
    }

    @Test func timeoutZeroIsNever() throws {
        let (watermark, harness) = try make(idle: 0)
        #expect(watermark.nextDeadline == nil)
        try harness.feed([bid("a", 5000, partition: 0)])
        harness.clock.advance(milliseconds: 1_000_000)
        try tick(watermark, harness, atEnd: [0, 1])
        #expect(watermark.combinedWatermark == EventTime.none)
    }

    @Test func allIdleFollowsTheWallClockUpToTheBound() throws {
        // Wall clock 100 s, newest row 98 s, bound 1 s.
        let (watermark, harness) = try make(partitions: 1, bound: 1_000_000)
        try harness.feed([bid("a", 98_000)])
        #expect(watermark.nextDeadline == 101_000_000)
        harness.clock.advance(milliseconds: 1000)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == 98_000)
        harness.clock.advance(milliseconds: 500)
        #expect(watermark.nextDeadline! <= harness.clock.wallMicroseconds())
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == 98_500)
        // The wall clock jumps ahead and back: never past wall - bound, never back.
        harness.clock.setWall(microseconds: 103_000_000)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == 100_000)
        harness.clock.setWall(microseconds: 90_000_000)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == 100_000)
    }

    @Test func rowsAheadOfTheWallClockAreNotOvertaken() throws {
        let (watermark, harness) = try make(partitions: 1, bound: 1_000_000)
        try harness.feed([bid("a", 500_000)])
        harness.clock.advance(milliseconds: 5000)
        try tick(watermark, harness, atEnd: [0])
        harness.clock.advance(milliseconds: 5000)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.combinedWatermark == 500_000)
    }

    @Test func boundedInputIgnoresTheClock() throws {
        let (watermark, harness) = try make(partitions: 1, isBounded: true)
        try harness.feed([bid("a", 5000)])
        harness.clock.advance(milliseconds: 60_000)
        try tick(watermark, harness, atEnd: [0])
        #expect(watermark.nextDeadline == nil)
        #expect(watermark.combinedWatermark == 5000)
        try harness.end()
        #expect(harness.collected.watermarks == [5000, EventTime.end])
    }

    @Test func idleSourceClosesItsLastWindow() throws {
        let (watermark, harness) = try make(partitions: 1)
        let window = try WindowAggregateOperator(
            WindowAggregatePlan(window: tumble5, timeColumn: 1, keys: [0], aggregates: countAndSum), input: bids,
            object: "totals", limits: Limits())
        let sink = CollectingOperator()
        watermark.connect(to: window)
        window.connect(to: sink)
        try harness.feed([bid("a", 96_000)])
        for _ in 0..<100 where sink.rows.isEmpty {
            harness.clock.setWall(microseconds: try #require(watermark.nextDeadline))
            try tick(watermark, harness, atEnd: [0])
        }
        #expect(sink.rows == [total("a", 1, 1, 95_000, 100_000)])
        #expect(harness.clock.wallMicroseconds() <= 105_100_000)
    }

    @Test func timeStandsStillWhileAPartitionReplays() throws {
        let (watermark, harness) = try make()
        watermark.restore(partitionWatermarks: [5000, 4000], combined: 4000, replaying: [true, true])
        harness.context.appliedOffsets = [2, 1]
        try harness.feed([bid("a", 2000, partition: 1), bid("a", 9000, partition: 1)])
        #expect(watermark.combinedWatermark == 4000)
        try harness.feed([bid("a", 3000, partition: 0)])
        #expect(watermark.combinedWatermark == 4000)
        try watermark.endReplay(partition: 0, context: harness.context)
        #expect(watermark.combinedWatermark == 5000)
    }

    /// A join goes by the minimum: the other source must not close what this one's rows, still to be read, belong to.
    @Test func timeStandsStillWhileAnotherSourceReplays() throws {
        let replay = Replay()
        let (behind, behindHarness) = try make()
        let (ready, readyHarness) = try make()
        for watermark in [behind, ready] { watermark.share(replay) }
        behind.restore(partitionWatermarks: [5000, 4000], combined: 4000, replaying: [true, false])
        ready.restore(partitionWatermarks: [3000, 2000], combined: 2000, replaying: [false, false])
        for watermark in [behind, ready] { watermark.hold() }
        try readyHarness.feed([bid("a", 9000, partition: 0), bid("a", 9000, partition: 1)])
        #expect(ready.combinedWatermark == 2000)
        behindHarness.context.appliedOffsets = [1, 0]
        try behindHarness.feed([bid("a", 3000, partition: 0)])
        #expect(replay.partitions == 0)
        try ready.resume(readyHarness.context)
        #expect(ready.combinedWatermark == 9000)
    }

    /// A deadline in the past would make the shard spin until the replay's end.
    @Test func replayHasNoDeadline() throws {
        let (watermark, harness) = try make()
        watermark.restore(partitionWatermarks: [5000, 4000], combined: 4000, replaying: [true, false])
        try tick(watermark, harness, atEnd: [1])
        #expect(watermark.nextDeadline == nil)
        try watermark.endReplay(partition: 0, context: harness.context)
        #expect(watermark.nextDeadline != nil)
    }
}
