import MillraceCore
import MillraceRuntime

/// The positions of one session as PostgreSQL keeps them: arrays of `slotsPerPage` partitions, one row a page.
///
/// A transaction then updates one row for the fence and the positions of up to 32 partitions together; a row a partition
/// and a row for the fence cost 25 us more of the server's time in each transaction, which at one event a transaction is a
/// sixth of it. Pages bound what a commit writes when there are thousands of partitions: 1 KB for each page that moved.
struct PositionPages {
    static let slotsPerPage = 32

    /// One page's arrays: next offset, replay offset, watermark, emitted watermark.
    struct Page {
        var nextOffset: [Int64] = []
        var replayOffset: [Int64] = []
        var watermark: [Int64] = []
        var emittedWatermark: [Int64] = []
        var hasMoved = false
    }

    private struct Key: Hashable {
        var source: SourceName
        var partition: SourcePartition
    }

    private(set) var pages: [Page] = [Page()]
    private var slots: [Key: Int] = [:]
    /// By slot.
    private var keys: [Key] = []
    /// How many of `keys` earlier transactions have told the database of.
    private var announced = 0

    /// Takes over what a source has reached.
    mutating func update(_ source: SourceName, _ positions: [SourcePosition]) {
        // Sources list their partitions in the same order every time: the slot after the last one is nearly always right.
        var guess = 0
        for position in positions {
            let slot = slot(source, position.partition, guess: guess)
            guess = slot + 1
            set(slot, position)
        }
    }

    private mutating func slot(_ source: SourceName, _ partition: SourcePartition, guess: Int) -> Int {
        if guess < keys.count, keys[guess].partition == partition, keys[guess].source == source { return guess }
        let key = Key(source: source, partition: partition)
        if let known = slots[key] { return known }
        let slot = keys.count
        keys.append(key)
        slots[key] = slot
        if slot / PositionPages.slotsPerPage == pages.count { pages.append(Page()) }
        let page = slot / PositionPages.slotsPerPage
        pages[page].nextOffset.append(0)
        pages[page].replayOffset.append(0)
        pages[page].watermark.append(EventTime.none)
        pages[page].emittedWatermark.append(EventTime.none)
        pages[page].hasMoved = true
        return slot
    }

    private mutating func set(_ slot: Int, _ position: SourcePosition) {
        let (page, index) = slot.quotientAndRemainder(dividingBy: PositionPages.slotsPerPage)
        if pages[page].nextOffset[index] == position.nextOffset,
            pages[page].replayOffset[index] == position.replayOffset,
            pages[page].watermark[index] == position.watermark,
            pages[page].emittedWatermark[index] == position.emittedWatermark
        {
            return
        }
        pages[page].nextOffset[index] = position.nextOffset
        pages[page].replayOffset[index] = position.replayOffset
        pages[page].watermark[index] = position.watermark
        pages[page].emittedWatermark[index] = position.emittedWatermark
        pages[page].hasMoved = true
    }

    /// Writes into `transaction` what it must carry: the first page always, because it is the fence, the others when they
    /// moved, and the partitions that the database does not know yet.
    mutating func snapshot(into transaction: SinkTransaction) {
        for (number, page) in pages.enumerated() where number == 0 || page.hasMoved {
            transaction.append(page, number: Int32(number))
            pages[number].hasMoved = false
        }
        for slot in announced..<keys.count {
            let (page, index) = slot.quotientAndRemainder(dividingBy: PositionPages.slotsPerPage)
            let block = transaction.partitions
            block.append(0, Int64(page))
            // Arrays of PostgreSQL count from one.
            block.append(1, Int64(index + 1))
            block.append(2, keys[slot].source)
            block.append(3, keys[slot].partition.topic)
            block.append(4, Int64(keys[slot].partition.partition))
            block.rows += 1
        }
        announced = keys.count
    }
}
