import MillraceCore

/// `numeric` on the wire: int16 digits, weight, sign (0x4000 negative, 0xC000 NaN), display scale, then base-10000 digits
/// (`numeric_send` of PostgreSQL).
enum NumericBinary {
    /// Appends the element with its length.
    static func append(_ unscaled: Int128, scale: Int, to buffer: ByteBuffer) {
        // Decimal digits, most significant first, padded so that groups of four end at the point.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 96) { digits in
            var magnitude = unscaled.magnitude
            let padding = (4 - scale % 4) % 4
            var end = 92
            for i in 0..<padding { digits[end - 1 - i] = 0 }
            var position = end - padding
            while magnitude > UInt128(UInt64.max) {
                let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
                position -= 1
                digits[position] = UInt8(truncatingIfNeeded: remainder)
                magnitude = quotient
            }
            var small = UInt64(truncatingIfNeeded: magnitude)
            while small > 0 {
                position -= 1
                digits[position] = UInt8(truncatingIfNeeded: small % 10)
                small /= 10
            }
            let fractionGroups = (scale + 3) / 4
            while (end - position) % 4 != 0 || end - position < fractionGroups * 4 {
                position -= 1
                digits[position] = 0
            }
            func group(_ at: Int) -> Int16 {
                Int16(digits[at]) * 1000 + Int16(digits[at + 1]) * 100 + Int16(digits[at + 2]) * 10
                    + Int16(digits[at + 3])
            }
            while position < end, group(position) == 0 { position += 4 }
            let weight = (end - position) / 4 - fractionGroups - 1
            while end > position, group(end - 4) == 0 { end -= 4 }
            let count = (end - position) / 4
            let size = 8 + count * 2
            let target = UnsafeMutableRawPointer(buffer.reserve(4 + size))
            target.storeBytes(of: Int32(size).bigEndian, as: Int32.self)
            target.storeBytes(of: Int16(count).bigEndian, toByteOffset: 4, as: Int16.self)
            target.storeBytes(of: Int16(count == 0 ? 0 : weight).bigEndian, toByteOffset: 6, as: Int16.self)
            target.storeBytes(of: UInt16(unscaled < 0 ? 0x4000 : 0).bigEndian, toByteOffset: 8, as: UInt16.self)
            target.storeBytes(of: Int16(scale).bigEndian, toByteOffset: 10, as: Int16.self)
            for i in 0..<count {
                target.storeBytes(of: group(position + 4 * i).bigEndian, toByteOffset: 12 + 2 * i, as: Int16.self)
            }
            buffer.commit(4 + size)
        }
    }

    /// The unscaled value at `scale`; nil for NaN, infinity or more than 38 digits. Digits beyond `scale` are cut.
    static func parse(_ bytes: ByteRef, scale: Int) -> Int128? {
        guard bytes.count >= 8 else { return nil }
        let raw = UnsafeRawPointer(bytes.start)
        func word(_ i: Int) -> Int { Int(Int16(bigEndian: raw.loadUnaligned(fromByteOffset: i * 2, as: Int16.self))) }
        let (count, weight, sign) = (word(0), word(1), UInt16(truncatingIfNeeded: word(2)))
        guard sign == 0 || sign == 0x4000, bytes.count >= 8 + 2 * count else { return nil }
        var value: Int128 = 0
        for i in 0..<count {
            // The group stands for digit * 10000 ^ (weight - i); at our scale times 10 ^ scale.
            let exponent = 4 * (weight - i) + scale
            var digit = Int128(word(4 + i))
            if digit == 0 { continue }
            if exponent < 0 {
                if exponent <= -4 { continue }
                digit /= DecimalMath.power10(-exponent)
            } else {
                guard exponent <= 38 else { return nil }
                let (product, overflow) = digit.multipliedReportingOverflow(by: DecimalMath.power10(exponent))
                if overflow { return nil }
                digit = product
            }
            let (sum, overflow) = value.addingReportingOverflow(digit)
            if overflow { return nil }
            value = sum
        }
        return sign == 0 ? value : -value
    }
}
