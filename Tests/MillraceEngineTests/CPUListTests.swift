import CMillraceLinux
import MillraceRuntime
import Synchronization
import Testing

@testable import MillraceEngine

/// Lists of CPUs, and threads that are bound to one.
struct CPUListTests {
    @Test(arguments: [
        ("0", [0]), ("2,3", [2, 3]), ("0-3", [0, 1, 2, 3]), ("0-1,8,4-5", [0, 1, 8, 4, 5]), ("7-7", [7]),
        ("1023", [1023]),
    ])
    func reads(text: String, numbers: [Int]) { #expect(CPUList(text)?.numbers == numbers) }

    @Test(arguments: ["", ",", "1,", "-1", "1-", "3-2", "1-2-3", "a", "0x1", "1 ", "1024", "0-99999", "1,1", "0-2,1"])
    func refuses(text: String) { #expect(CPUList(text) == nil) }

    @Test func shardsTakeThemInTurn() {
        let list = CPUList("4,6")!
        #expect((0..<5).map { list.cpu(ofShard: $0) } == [4, 6, 4, 6, 4])
        #expect(CPUList().cpu(ofShard: 0) == nil)
    }

    @Test func knowsWhatTheProcessMayUse() throws {
        let available = (0..<1024).filter { millrace_cpu_is_available(Int32($0)) == 1 }
        let first = try #require(available.first)
        #expect(CPUList("\(first)")!.unavailable == [])
        let absent = try #require((0..<1024).first { !available.contains($0) })
        #expect(CPUList("\(absent)")!.unavailable == [absent])
    }

    @Test func theThreadRunsOnItsCPU() throws {
        let cpu = try #require((0..<1024).last { millrace_cpu_is_available(Int32($0)) == 1 })
        let seen = Mutex<Int32>(-2)
        NamedThread(name: "pinned", cpu: cpu) { seen.withLock { $0 = millrace_pinned_cpu() } }.join()
        #expect(seen.withLock { $0 } == Int32(cpu))
    }
}
