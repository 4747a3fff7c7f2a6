import MillraceCore

/// The oldest record of a partition that kept rows still need, by counting blocks of offsets: adding and removing cost
/// the same whatever is kept.
///
/// A block keeps the smallest offset it ever got, so the answer may name a record that is gone, never one that is younger.
struct LiveOffsets {
    private struct Block {
        var live: Int32 = 0
        var first = Int64.max
    }
    private static let blockBits: Int64 = 8
    private var blocks: [Block] = []
    /// Number of `blocks[0]`; blocks before `head` are empty.
    private var base: Int64 = 0
    private var head = 0

    mutating func add(_ offset: Int64) {
        let number = offset >> LiveOffsets.blockBits
        if blocks.isEmpty {
            base = number
            head = 0
        } else if number < base {
            blocks.insert(contentsOf: repeatElement(Block(), count: Int(base - number)), at: 0)
            base = number
            head = 0
        }
        let index = Int(number - base)
        while index >= blocks.count { blocks.append(Block()) }
        head = min(head, index)
        blocks[index].live += 1
        blocks[index].first = min(blocks[index].first, offset)
    }

    mutating func remove(_ offset: Int64) {
        let index = Int((offset >> LiveOffsets.blockBits) - base)
        blocks[index].live -= 1
        guard blocks[index].live == 0 else { return }
        blocks[index].first = .max
        while head < blocks.count, blocks[head].live == 0 { head += 1 }
        if head == blocks.count {
            blocks.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 64, head > blocks.count / 2 {
            blocks.removeFirst(head)
            base += Int64(head)
            head = 0
        }
    }

    /// Int64.max when nothing is kept.
    var oldest: Int64 { head < blocks.count ? blocks[head].first : .max }
}
