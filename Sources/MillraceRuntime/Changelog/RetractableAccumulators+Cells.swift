import MillraceCore

/// Aggregates that list their values: LISTAGG, FIRST_VALUE, LAST_VALUE, ARRAY_AGG, COLLECT, the JSON ones; and PERCENTILE.
extension RetractableAccumulators {
    func foldCell(
        _ slot: Slot, _ argument: Column, _ row: Int, _ state: UnsafeMutableRawPointer, _ isRetraction: Bool
    ) {
        scratch.clear()
        CellCodec.append(argument, row, to: scratch)
        let cell = OwnedBytes(bytes: scratch.bytes.array)
        let cells: RetractableCells = made(state + 16) { RetractableCells() }
        let before = cells.bytes
        if isRetraction {
            guard cells.remove(cell) else { return }
        } else {
            cells.add(cell)
        }
        note(cells.bytes - before)
        state.assumingMemoryBound(to: Int64.self).pointee += isRetraction ? -1 : 1
    }

    func weigh(
        _ argument: Column, _ weights: Column?, _ row: Int, _ state: UnsafeMutableRawPointer, _ isRetraction: Bool
    ) {
        var weight: Int64 = 1
        if let weights { weight = weights.states[row] == CellState.valid ? max(0, weights.ints[row]) : 0 }
        guard weight > 0 else { return }
        state.assumingMemoryBound(to: Int64.self).pointee += isRetraction ? -1 : 1
        weighted(state + 16).add(argument.double(at: row), weight: isRetraction ? -weight : weight)
    }

    func weighted(_ place: UnsafeMutableRawPointer) -> WeightedValues { made(place) { WeightedValues() } }

    func made<T: AnyObject>(_ place: UnsafeMutableRawPointer, _ make: () -> T) -> T {
        if let known: T = object(place) { return known }
        let new = make()
        place.storeBytes(of: UInt(bitPattern: Unmanaged.passRetained(new).toOpaque()), as: UInt.self)
        return new
    }

    // MARK: - Results

    /// Texts and nested cells are in `arena`.
    func appendCells(_ slot: Slot, _ place: UnsafeMutableRawPointer, _ column: Column, _ arena: BatchArena) {
        let cells: RetractableCells? = object(place)
        switch slot.call.function {
        case .firstValue: append(cells?.first, column, arena)
        case .lastValue: append(cells?.last, column, arena)
        case .listAgg: appendText(slot, cells, column, arena)
        case .jsonArrayAgg: appendArray(cells, column, arena)
        case .jsonObjectAgg: appendObject(cells, column, arena)
        case .collect:
            let start = Int32(column.children[0].count)
            for (cell, count) in cells?.counted() ?? [] {
                append(cell, column.children[0], arena)
                column.children[1].append(int: Int64(count))
            }
            column.append(list: ListRef(start: start, count: Int32(column.children[0].count) - start))
        default:
            guard let cells, cells.last != nil else { return column.appendNull() }
            let start = Int32(column.children[0].count)
            cells.forEach { append($0, column.children[0], arena) }
            column.append(list: ListRef(start: start, count: Int32(column.children[0].count) - start))
        }
    }

    private func append(_ cell: OwnedBytes?, _ column: Column, _ arena: BatchArena) {
        guard let cell else { return column.appendNull() }
        var cursor = UnsafeRawPointer(arena.copy(cell.bytes).start)
        CellCodec.read(&cursor, into: column)
    }

    /// Of a text: state and length come before its bytes.
    private func text(_ cell: OwnedBytes) -> ArraySlice<UInt8> { cell.bytes[5...] }

    private func appendText(_ slot: Slot, _ cells: RetractableCells?, _ column: Column, _ arena: BatchArena) {
        guard let cells, cells.last != nil else { return column.appendNull() }
        scratch.clear()
        var isFirst = true
        cells.forEach { cell in
            if !isFirst { scratch.append(slot.call.separator) }
            isFirst = false
            for byte in text(cell) { scratch.append(byte) }
        }
        column.append(bytes: arena.copy(scratch.bytes))
    }

    private func appendArray(_ cells: RetractableCells?, _ column: Column, _ arena: BatchArena) {
        scratch.clear()
        scratch.append(UInt8(ascii: "["))
        cells?.forEach { cell in
            if scratch.count > 1 { scratch.append(JSONItems.comma) }
            for byte in text(cell).dropFirst().dropLast() { scratch.append(byte) }
        }
        scratch.append(UInt8(ascii: "]"))
        column.append(bytes: arena.copy(scratch.bytes))
    }

    private func appendObject(_ cells: RetractableCells?, _ column: Column, _ arena: BatchArena) {
        var object = ByteRef.empty
        scratch.clear()
        scratch.append("{}")
        cells?.forEach { cell in
            let copy = arena.copy(Array(text(cell)))
            JSONItems.insert(JSONItems.item(of: copy), into: object, scratch)
            object = arena.copy(scratch.bytes)
        }
        column.append(bytes: arena.copy(scratch.bytes))
    }
}
