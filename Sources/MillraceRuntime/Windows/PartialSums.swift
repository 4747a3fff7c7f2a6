import MillraceCore

/// In which order the DOUBLE and FLOAT values of a window are added up. Sums of these depend on it in their last digits.
///
/// Flink adds the rows of a window table function in two steps: rows that came between two firings make a partial sum, which
/// is added to what there is when a window fires; HOP and CUMULATE keep such a sum for each slice and add the slices when a
/// window fires. The same order gives the same digits. Sums that are exact need none of it.
struct PartialSums {
    /// Slices of a window that are told apart.
    static let maximumSlices = 64

    /// Slices a window: 1 for TUMBLE and windows that the rows carry.
    let slices: Int
    /// Milliseconds of a slice; 0: the window's own.
    let sliceSize: Int64
    let offset: Int64
    /// HOP adds the newest slice first, CUMULATE the oldest.
    let isNewestFirst: Bool

    /// Rows since the last firing belong together; a record's partial sums of an earlier number are settled first.
    private(set) var epoch: Int64 = 1
    private var watermark = EventTime.none
    private var nextTrigger = EventTime.none
    /// Earliest end of a slice that has rows since the last firing.
    private var firstEnd = EventTime.end

    init(_ window: WindowKind) {
        switch window {
        case .hop(let slide, let size, let offset) where size / slide <= Int64(PartialSums.maximumSlices):
            self.init(slices: Int(size / slide), sliceSize: slide, offset: offset, isNewestFirst: true)
        case .cumulate(let step, let size, let offset) where size / step <= Int64(PartialSums.maximumSlices):
            self.init(slices: Int(size / step), sliceSize: step, offset: offset, isNewestFirst: false)
        case .tumble(let size, let offset):
            self.init(slices: 1, sliceSize: size, offset: offset, isNewestFirst: false)
        default: self.init(slices: 1, sliceSize: 0, offset: 0, isNewestFirst: false)
        }
    }

    private init(slices: Int, sliceSize: Int64, offset: Int64, isNewestFirst: Bool) {
        self.slices = slices
        self.sliceSize = sliceSize
        self.offset = offset
        self.isNewestFirst = isNewestFirst
    }

    /// A row came; late ones count here, too, as in Flink.
    @inline(__always)
    mutating func note(end: Int64) { if end < firstEnd { firstEnd = end } }

    /// End of the slice that holds `time`.
    @inline(__always)
    func sliceEnd(_ time: Int64) -> Int64 {
        sliceSize == 0 ? time : WindowAssigner.start(time, size: sliceSize, offset: offset) &+ sliceSize
    }

    /// True when the rows so far make partial sums of their own: fold them before `next`.
    ///
    /// Flink's local aggregate looks only once in a slice's length (`getNextTriggerWatermark`).
    mutating func advance(to new: Int64) -> Bool {
        guard new > watermark else { return false }
        watermark = new
        guard new >= nextTrigger else { return false }
        if new == EventTime.end {
            nextTrigger = new
        } else if sliceSize > 0 {
            let last = WindowAssigner.start(new, size: sliceSize, offset: 0) &+ sliceSize &- 1
            nextTrigger = last > new ? last : last &+ sliceSize
        }
        guard firstEnd != EventTime.end, firstEnd - 1 <= new else { return false }
        firstEnd = EventTime.end
        return true
    }

    mutating func next() { epoch += 1 }

    // MARK: Snapshots

    /// Where the parts stand; without what the end of the input has done.
    func write(to buffer: ByteBuffer) {
        buffer.append(signed: epoch)
        let isAtEnd = watermark == EventTime.end
        buffer.append(signed: isAtEnd ? EventTime.none : watermark)
        buffer.append(signed: isAtEnd ? EventTime.none : nextTrigger)
        buffer.append(signed: firstEnd)
    }

    /// - Parameter onlyNewer: leaves alone what is further on.
    mutating func read(from reader: inout StateReader, onlyNewer: Bool) {
        let stored = (reader.signed(), reader.signed(), reader.signed(), reader.signed())
        if onlyNewer, (stored.0, stored.1) < (epoch, watermark) { return }
        (epoch, watermark, nextTrigger, firstEnd) = stored
    }
}

/// One slice's sum in a record: what is settled, and the partial sum of one epoch.
struct PartialSum {
    var epoch: Int64
    var settled: Double
    var partial: Double

    @inline(__always)
    mutating func add(_ value: Double, epoch: Int64, isFloat: Bool) {
        if self.epoch != epoch {
            settled = PartialSum.sum(settled, partial, isFloat)
            partial = 0
            self.epoch = epoch
        }
        partial = PartialSum.sum(partial, value, isFloat)
    }

    @inline(__always)
    static func sum(_ a: Double, _ b: Double, _ isFloat: Bool) -> Double { isFloat ? Double(Float(a + b)) : a + b }
}

/// The same of STDDEV and VAR.
struct PartialMoments {
    var epoch: Int64
    var settledCount: Int64
    var settled: Moments
    var partialCount: Int64
    var partial: Moments

    mutating func add(_ value: Double, epoch: Int64) {
        if self.epoch != epoch {
            (settledCount, settled) = whole
            (partialCount, partial) = (0, Moments())
            self.epoch = epoch
        }
        partialCount += 1
        partial.add(value, count: partialCount)
    }

    var whole: (count: Int64, moments: Moments) {
        PartialMoments.merged((settledCount, settled), (partialCount, partial))
    }

    static func merged(
        _ a: (count: Int64, moments: Moments), _ b: (count: Int64, moments: Moments)
    ) -> (count: Int64, moments: Moments) {
        guard b.count > 0 else { return a }
        var both = a.moments
        both.merge(b.moments, count: a.count, otherCount: b.count)
        return (a.count + b.count, both)
    }
}

extension Accumulators {
    /// Bytes of one slice's part of an aggregate; nil for aggregates that are the same in any order.
    static func partBytes(_ kind: Kind) -> Int? {
        switch kind {
        case .sumDouble, .sumFloat: MemoryLayout<PartialSum>.stride
        case .moments: MemoryLayout<PartialMoments>.stride
        default: nil
        }
    }

    func addMomentsInParts(
        _ slot: Slot, _ argument: Column, _ rows: UnsafeMutablePointer<Int32>,
        _ records: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ slices: UnsafeMutablePointer<Int32>?, _ count: Int
    ) {
        for i in 0..<count {
            let place = slot.partsOffset + (slices.map { Int($0[i]) } ?? 0) * MemoryLayout<PartialMoments>.stride
            (records[i] + place).assumingMemoryBound(to: PartialMoments.self).pointee.add(
                argument.double(at: Int(rows[i])), epoch: epoch)
        }
    }

    private func settleMoments(_ slot: Slot, _ record: UnsafeMutableRawPointer, _ parts: PartialSums) {
        let first = (record + slot.partsOffset).assumingMemoryBound(to: PartialMoments.self)
        var all: (count: Int64, moments: Moments) = (0, Moments())
        for i in 0..<parts.slices {
            all = PartialMoments.merged(all, first[parts.isNewestFirst ? parts.slices - 1 - i : i].whole)
        }
        (record + slot.offset).storeBytes(of: all.count, as: Int64.self)
        (record + slot.offset + 16).storeBytes(of: all.moments, as: Moments.self)
    }

    func addInParts(
        _ slot: Slot, _ cells: UnsafeMutablePointer<Double>, _ rows: UnsafeMutablePointer<Int32>,
        _ records: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ slices: UnsafeMutablePointer<Int32>?, _ count: Int
    ) {
        let isFloat = slot.kind == .sumFloat
        for i in 0..<count {
            let record = records[i]
            (record + slot.offset).assumingMemoryBound(to: Int64.self).pointee += 1
            let place = slot.partsOffset + (slices.map { Int($0[i]) } ?? 0) * MemoryLayout<PartialSum>.stride
            (record + place).assumingMemoryBound(to: PartialSum.self).pointee.add(
                cells[Int(rows[i])], epoch: epoch, isFloat: isFloat)
        }
    }

    /// Puts the sums of a record together, where `append` and `write` look for them. More rows may follow.
    func settle(_ record: UnsafeMutableRawPointer) {
        guard let parts else { return }
        for slot in slots where slot.partsOffset >= 0 {
            if slot.kind == .moments {
                settleMoments(slot, record, parts)
                continue
            }
            let isFloat = slot.kind == .sumFloat
            let first = (record + slot.partsOffset).assumingMemoryBound(to: PartialSum.self)
            var sum = 0.0
            for i in 0..<parts.slices {
                let slice = first[parts.isNewestFirst ? parts.slices - 1 - i : i]
                sum = PartialSum.sum(sum, PartialSum.sum(slice.settled, slice.partial, isFloat), isFloat)
            }
            (record + slot.offset + 16).storeBytes(of: sum, as: Double.self)
        }
    }
}
