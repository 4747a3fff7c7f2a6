/// A part of a LIST column's children: `count` elements from `start`.
public struct ListRef {
    public var start: Int32
    public var count: Int32
    @inlinable public init(start: Int32, count: Int32) {
        self.start = start
        self.count = count
    }
}

/// One column of a batch: cells of one type, a state byte for each.
///
/// Memory is by `Layout`; the typed pointers are valid only for the matching layout, until the next `reserve` or append.
/// One operator owns a column and refills it for every batch; others read it while that batch is processed.
/// Not for state that outlives a batch: string cells only borrow their bytes.
public final class Column {
    public let type: DataType
    public let layout: Layout
    public private(set) var capacity: Int
    /// Rows. Writers through the raw pointers `reserve` first and set it last.
    public var count: Int
    /// True promises that no state differs from `CellState.valid`; kernels then skip the states. May be false without need.
    public var allValid: Bool
    @usableFromInline var stateStorage: UnsafeMutablePointer<UInt8>
    @usableFromInline var storage: UnsafeMutableRawPointer
    /// ROW: one a field, each with `count` rows. LIST: elements (and values), indexed by `lists`.
    public let children: [Column]

    public init(_ type: DataType, capacity: Int = 64) {
        self.type = type
        layout = type.layout
        self.capacity = Swift.max(capacity, 1)
        count = 0
        allValid = true
        children = type.childTypes.map { Column($0, capacity: capacity) }
        stateStorage = .allocate(capacity: self.capacity)
        storage = Column.allocate(layout, self.capacity)
    }

    deinit {
        stateStorage.deallocate()
        storage.deallocate()
    }

    private static func stride(_ layout: Layout) -> Int {
        switch layout {
        case .int64: MemoryLayout<Int64>.stride
        case .double: MemoryLayout<Double>.stride
        case .decimal: MemoryLayout<Int128>.stride
        case .bytes: MemoryLayout<ByteRef>.stride
        case .row: 1
        case .list: MemoryLayout<ListRef>.stride
        }
    }

    private static func allocate(_ layout: Layout, _ capacity: Int) -> UnsafeMutableRawPointer {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: stride(layout) * capacity, alignment: 16)
        switch layout {
        case .int64: raw.bindMemory(to: Int64.self, capacity: capacity)
        case .double: raw.bindMemory(to: Double.self, capacity: capacity)
        case .decimal: raw.bindMemory(to: Int128.self, capacity: capacity)
        case .bytes: raw.bindMemory(to: ByteRef.self, capacity: capacity)
        case .row: raw.bindMemory(to: UInt8.self, capacity: capacity)
        case .list: raw.bindMemory(to: ListRef.self, capacity: capacity)
        }
        return raw
    }

    /// One `CellState` a row.
    @inlinable public var states: UnsafeMutablePointer<UInt8> { stateStorage }
    @inlinable public var ints: UnsafeMutablePointer<Int64> { storage.assumingMemoryBound(to: Int64.self) }
    @inlinable public var doubles: UnsafeMutablePointer<Double> { storage.assumingMemoryBound(to: Double.self) }
    @inlinable public var decimals: UnsafeMutablePointer<Int128> { storage.assumingMemoryBound(to: Int128.self) }
    @inlinable public var refs: UnsafeMutablePointer<ByteRef> { storage.assumingMemoryBound(to: ByteRef.self) }
    @inlinable public var lists: UnsafeMutablePointer<ListRef> { storage.assumingMemoryBound(to: ListRef.self) }

    /// Room for `rows` rows in all; keeps the contents. ROW children grow alike; LIST children grow as they are appended to.
    public func reserve(_ rows: Int) {
        if layout == .row { for child in children { child.reserve(rows) } }
        guard rows > capacity else { return }
        let target = Swift.max(rows, capacity * 2)
        let newStates = UnsafeMutablePointer<UInt8>.allocate(capacity: target)
        newStates.update(from: stateStorage, count: capacity)
        stateStorage.deallocate()
        stateStorage = newStates
        let newStorage = Column.allocate(layout, target)
        newStorage.copyMemory(from: storage, byteCount: Column.stride(layout) * capacity)
        storage.deallocate()
        storage = newStorage
        capacity = target
    }

    /// Forgets all rows, keeps the memory.
    public func clear() {
        count = 0
        allValid = true
        if layout == .row || layout == .list { for child in children { child.clear() } }
    }

    @inlinable @inline(__always)
    func grow() { if count == capacity { reserve(count + 1) } }

    @inlinable public func append(int value: Int64) {
        grow()
        ints[count] = value
        stateStorage[count] = CellState.valid
        count += 1
    }
    @inlinable public func append(double value: Double) {
        grow()
        doubles[count] = value
        stateStorage[count] = CellState.valid
        count += 1
    }
    @inlinable public func append(decimal value: Int128) {
        grow()
        decimals[count] = value
        stateStorage[count] = CellState.valid
        count += 1
    }
    @inlinable public func append(bytes value: ByteRef) {
        grow()
        refs[count] = value
        stateStorage[count] = CellState.valid
        count += 1
    }
    /// A LIST cell; its elements have been appended to the children from `start` on.
    @inlinable public func append(list value: ListRef) {
        grow()
        lists[count] = value
        stateStorage[count] = CellState.valid
        count += 1
    }
    /// A ROW cell that is present; the caller appends one cell to every child.
    @inlinable public func appendRow() {
        grow()
        stateStorage[count] = CellState.valid
        count += 1
    }
    /// NULL, or an error state. The payload is zeroed, so kernels may read it. ROW children get the same.
    public func append(state: UInt8) {
        grow()
        stateStorage[count] = state
        switch layout {
        case .int64: ints[count] = 0
        case .double: doubles[count] = 0
        case .decimal: decimals[count] = 0
        case .bytes: refs[count] = .empty
        case .list: lists[count] = ListRef(start: 0, count: 0)
        case .row: for child in children { child.append(state: state) }
        }
        count += 1
        allValid = false
    }
    @inlinable public func appendNull() { append(state: CellState.null) }

    @inlinable public func isValid(_ row: Int) -> Bool { stateStorage[row] == CellState.valid }

    /// Drops the rows from `newCount` on (a message that failed half way). LIST children keep their orphans until `clear`.
    public func truncate(_ newCount: Int) {
        guard newCount < count else { return }
        count = newCount
        if layout == .row { for child in children { child.truncate(newCount) } }
    }

    /// Replaces the contents by `source`'s rows `indices`; -1 gives NULL (the unmatched side of an outer join).
    /// String bytes stay where they are.
    public func gather(from source: Column, indices: UnsafePointer<Int32>, count rows: Int) {
        clear()
        reserve(rows)
        appendGathered(from: source, indices: indices, count: rows)
    }

    /// As `gather`, behind the rows that are there.
    public func appendGathered(from source: Column, indices: UnsafePointer<Int32>, count rows: Int) {
        precondition(source.layout == layout, "gather between layouts")
        reserve(count + rows)
        let base = count
        var valid = allValid && source.allValid
        switch layout {
        case .int64:
            let (to, from) = (ints + base, source.ints)
            for i in 0..<rows { to[i] = indices[i] < 0 ? 0 : from[Int(indices[i])] }
        case .double:
            let (to, from) = (doubles + base, source.doubles)
            for i in 0..<rows { to[i] = indices[i] < 0 ? 0 : from[Int(indices[i])] }
        case .decimal:
            let (to, from) = (decimals + base, source.decimals)
            for i in 0..<rows { to[i] = indices[i] < 0 ? 0 : from[Int(indices[i])] }
        case .bytes:
            let (to, from) = (refs + base, source.refs)
            for i in 0..<rows { to[i] = indices[i] < 0 ? .empty : from[Int(indices[i])] }
        case .row:
            for (child, other) in zip(children, source.children) {
                child.appendGathered(from: other, indices: indices, count: rows)
            }
        case .list:
            for i in 0..<rows {
                guard indices[i] >= 0 else {
                    lists[base + i] = ListRef(start: 0, count: 0)
                    continue
                }
                let list = source.lists[Int(indices[i])]
                let start = Int32(children[0].count)
                for (child, other) in zip(children, source.children) {
                    child.appendRange(from: other, start: Int(list.start), count: Int(list.count))
                }
                lists[base + i] = ListRef(start: start, count: list.count)
            }
        }
        let (to, from) = (stateStorage + base, source.stateStorage)
        for i in 0..<rows {
            let state = indices[i] < 0 ? CellState.null : from[Int(indices[i])]
            to[i] = state
            if state != CellState.valid { valid = false }
        }
        count = base + rows
        allValid = valid
    }

    /// Appends `count` rows of `source` from `start`.
    public func appendRange(from source: Column, start: Int, count rows: Int) {
        guard rows > 0 else { return }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rows) { indices in
            for i in 0..<rows { indices[i] = Int32(start + i) }
            appendGathered(from: source, indices: UnsafePointer(indices.baseAddress!), count: rows)
        }
    }

    /// Replaces the contents by `rows` copies of a constant. String bytes are copied into `arena`.
    public func fill(_ value: Value, rows: Int, arena: BatchArena) {
        clear()
        guard rows > 0 else { return }
        append(value, arena: arena)
        guard rows > 1 else { return }
        reserve(rows)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rows - 1) { indices in
            indices.initialize(repeating: 0)
            appendGathered(from: self, indices: UnsafePointer(indices.baseAddress!), count: rows - 1)
        }
    }
}

extension Column {
    /// The cell as data; for tests, messages and constants. Text that is not UTF-8 is repaired.
    public func value(at row: Int) -> Value {
        let state = stateStorage[row]
        guard state == CellState.valid else {
            return state == CellState.null ? .null : .error(RowErrorCode(rawValue: state) ?? .invalidArgument)
        }
        switch layout {
        case .int64: return .integer(ints[row])
        case .double: return .double(doubles[row])
        case .decimal: return .decimal(decimals[row])
        case .bytes: return type.isCharacter ? .string(refs[row].text) : .bytes(refs[row].array)
        case .row: return .row(children.map { $0.value(at: row) })
        case .list:
            let range = Int(lists[row].start)..<Int(lists[row].start + lists[row].count)
            if children.count == 1 { return .array(range.map(children[0].value)) }
            return .map(range.map { (key: children[0].value(at: $0), value: children[1].value(at: $0)) })
        }
    }

    /// Appends a cell given as data. The value must fit the layout; `.null` and `.error` fit every one.
    public func append(_ value: Value, arena: BatchArena) {
        switch value {
        case .null: appendNull()
        case .error(let code): append(state: code.rawValue)
        case .integer(let x): append(int: x)
        case .double(let x): append(double: x)
        case .decimal(let x): append(decimal: x)
        case .string(let x): append(bytes: arena.copy(x))
        case .bytes(let x): append(bytes: arena.copy(x))
        case .row(let cells):
            precondition(layout == .row && cells.count == children.count, "row value for \(type)")
            appendRow()
            for (child, cell) in zip(children, cells) { child.append(cell, arena: arena) }
        case .array(let cells):
            let start = Int32(children[0].count)
            for cell in cells { children[0].append(cell, arena: arena) }
            append(list: ListRef(start: start, count: Int32(cells.count)))
        case .map(let pairs):
            let start = Int32(children[0].count)
            for pair in pairs {
                children[0].append(pair.key, arena: arena)
                children[1].append(pair.value, arena: arena)
            }
            append(list: ListRef(start: start, count: Int32(pairs.count)))
        }
    }
}
