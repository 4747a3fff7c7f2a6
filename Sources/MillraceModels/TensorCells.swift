import MillraceCore

/// Moves cells between columns and the memory of tensors, row by row of a matrix [rows, width].
enum TensorCells {
    /// Writes `count` cells from row `start` to element `offset` of every row. A cell that is not valid becomes NaN, or 0
    /// in tensors of whole numbers.
    ///
    /// - Returns: true when a whole number may not fit 32 bits; the caller looks for it.
    static func fill(
        _ data: UnsafeMutableRawPointer, _ element: TensorElement, width: Int, offset: Int, from column: Column,
        _ numbers: NumericSource, start: Int, count: Int
    ) -> Bool {
        let states = column.states + start
        switch element {
        case .float:
            let target = data.assumingMemoryBound(to: Float.self) + offset
            switch numbers {
            case .integer: for row in 0..<count { target[row &* width] = Float(column.ints[start + row]) }
            case .double: for row in 0..<count { target[row &* width] = Float(column.doubles[start + row]) }
            case .decimal(let divisor):
                for row in 0..<count { target[row &* width] = Float(Double(column.decimals[start + row]) / divisor) }
            }
            if !column.allValid {
                for row in 0..<count where states[row] != CellState.valid { target[row &* width] = .nan }
            }
        case .double:
            let target = data.assumingMemoryBound(to: Double.self) + offset
            switch numbers {
            case .integer: for row in 0..<count { target[row &* width] = Double(column.ints[start + row]) }
            case .double: for row in 0..<count { target[row &* width] = column.doubles[start + row] }
            case .decimal(let divisor):
                for row in 0..<count { target[row &* width] = Double(column.decimals[start + row]) / divisor }
            }
            if !column.allValid {
                for row in 0..<count where states[row] != CellState.valid { target[row &* width] = .nan }
            }
        case .int64:
            let target = data.assumingMemoryBound(to: Int64.self) + offset
            for row in 0..<count {
                target[row &* width] = states[row] == CellState.valid ? column.ints[start + row] : 0
            }
        case .int32:
            let target = data.assumingMemoryBound(to: Int32.self) + offset
            var misfit = false
            for row in 0..<count {
                let cell = states[row] == CellState.valid ? column.ints[start + row] : 0
                target[row &* width] = Int32(truncatingIfNeeded: cell)
                if Int64(Int32(truncatingIfNeeded: cell)) != cell { misfit = true }
            }
            return misfit
        case .bool:
            let target = data.assumingMemoryBound(to: UInt8.self) + offset
            for row in 0..<count {
                target[row &* width] = states[row] == CellState.valid && column.ints[start + row] != 0 ? 1 : 0
            }
        case .string: preconditionFailure("text is not written as numbers")
        }
        return false
    }

    /// Appends element `offset` of `count` rows to a column of OUTPUT as rows `start` …, with the states of these rows. NaN
    /// is `.modelNotANumber`, a number too large for the column `.numericOverflow`. The column has the room.
    static func read(
        _ data: UnsafeMutableRawPointer, _ element: TensorElement, width: Int, offset: Int,
        states: UnsafePointer<UInt8>, into column: Column, _ type: DataType, at start: Int, count: Int
    ) {
        let isFloat = type == .float
        var allValid = true
        for row in 0..<count {
            let index = row * width + offset
            var state = states[row]
            switch element {
            case .float, .double:
                let value =
                    element == .float
                    ? Double(data.assumingMemoryBound(to: Float.self)[index])
                    : data.assumingMemoryBound(to: Double.self)[index]
                if value != value, state == CellState.valid { state = RowErrorCode.modelNotANumber.rawValue }
                column.doubles[start + row] =
                    state != CellState.valid ? 0 : (isFloat ? Double(Float(value)) : value)
            default:
                let value: Int64 =
                    switch element {
                    case .int64: data.assumingMemoryBound(to: Int64.self)[index]
                    case .int32: Int64(data.assumingMemoryBound(to: Int32.self)[index])
                    default: Int64(data.assumingMemoryBound(to: UInt8.self)[index])
                    }
                if type.isApproximate {
                    column.doubles[start + row] =
                        state != CellState.valid ? 0 : (isFloat ? Double(Float(value)) : Double(value))
                } else {
                    if state == CellState.valid, !type.holds(value) { state = RowErrorCode.numericOverflow.rawValue }
                    column.ints[start + row] = state == CellState.valid ? value : 0
                }
            }
            column.states[start + row] = state
            if state != CellState.valid { allValid = false }
        }
        column.count = start + count
        if !allValid { column.allValid = false }
    }
}
