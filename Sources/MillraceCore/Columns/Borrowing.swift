/// Arrays of class instances on the hot path: columns, operators' outputs, a shard's sources and sessions.
///
/// Reading an element of such an array, in a loop or by index, retains and releases it, two locked instructions or some
/// 10 ns a pair. A batch of one row met 420 such pairs, a quarter of the engine's own instructions. Below the elements are
/// only borrowed: the array, which the caller holds, keeps them alive. `body` must not change the array it came from.
extension Array where Element: AnyObject {
    /// Calls `body` with each element, in order.
    @inlinable @inline(__always)
    public func forEachBorrowed<Failure: Error>(_ body: (Element) throws(Failure) -> Void) throws(Failure) {
        for index in 0..<count { try withBorrowed(index, body) }
    }

    /// Calls `body` with the element at `index`.
    @inlinable @inline(__always)
    public func withBorrowed<Result, Failure: Error>(
        _ index: Int, _ body: (Element) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index < count, "element beyond the end")
        return try withUnsafeBufferPointer { (elements) throws(Failure) -> Result in
            // A class reference in memory is one pointer, as `Unmanaged` is.
            let element = UnsafeRawPointer(elements.baseAddress! + index).load(as: Unmanaged<Element>.self)
            // It rethrows without the type; the detour over a result is optimised away.
            let result = element._withUnsafeGuaranteedRef { (element) -> Swift.Result<Result, Failure> in
                do throws(Failure) { return .success(try body(element)) } catch { return .failure(error) }
            }
            return try result.get()
        }
    }

    /// True when `predicate` is for one of the elements.
    @inlinable @inline(__always)
    public func containsBorrowed(where predicate: (Element) -> Bool) -> Bool {
        for index in 0..<count where withBorrowed(index, predicate) { return true }
        return false
    }

    /// True when both are one array in memory, so have the same elements; false says nothing. Costs one comparison.
    ///
    /// For what an operator derives from its input's columns: these are the same ones batch after batch, and an array that
    /// someone else holds on to is never changed in place.
    @inlinable @inline(__always)
    public func isSameArray(as other: [Element]) -> Bool {
        withUnsafeBufferPointer { mine in other.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress } }
    }
}
