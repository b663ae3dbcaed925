# SPDX-License-Identifier: MIT
# Elixir's GenServer beside belay's processes: calls, casts, memory. Takes the options of the other clients, and prints
# one line of JSON as they do.
defmodule Counter do
  use GenServer

  def init(hibernates), do: {:ok, {0, hibernates}}

  def handle_call(:next, _from, {n, false}), do: {:reply, n + 1, {n + 1, false}}
  def handle_call(:next, _from, {n, true}), do: {:reply, n + 1, {n + 1, true}, :hibernate}

  def handle_cast(:next, {n, hibernates}), do: {:noreply, {n + 1, hibernates}}
end

defmodule Bench do
  @batch 64

  # User and system time of all threads of the runtime; it has no finer clock than milliseconds.
  defp cpu_us, do: :erlang.statistics(:runtime) |> elem(0) |> Kernel.*(1000)
  defp now_us, do: System.monotonic_time(:microsecond)

  defp call_batch(pid, 0), do: pid
  defp call_batch(pid, n) do
    GenServer.call(pid, :next)
    call_batch(pid, n - 1)
  end

  defp cast_batch(pid, 1), do: GenServer.call(pid, :next)
  defp cast_batch(pid, n) do
    GenServer.cast(pid, :next)
    cast_batch(pid, n - 1)
  end

  defp repeat(batch, pid, until_us, count) do
    batch.(pid, @batch)
    if now_us() < until_us, do: repeat(batch, pid, until_us, count + @batch), else: count + @batch
  end

  def work(mode, warmup_s, seconds) do
    {:ok, pid} = GenServer.start_link(Counter, false)
    batch = if mode == "casts", do: &cast_batch/2, else: &call_batch/2
    repeat(batch, pid, now_us() + round(warmup_s * 1.0e6), 0)
    {begin, begin_cpu} = {now_us(), cpu_us()}
    count = repeat(batch, pid, begin + round(seconds * 1.0e6), 0)
    {wall, cpu} = {now_us() - begin, cpu_us() - begin_cpu}
    IO.puts(~s({"client":"elixir","mode":"#{mode}","requests":#{count},"wall_s":#{wall / 1.0e6},"cpu_s":#{cpu / 1.0e6}}))
  end

  def memory(mode, n) do
    pids = for _ <- 1..n do
      {:ok, pid} = GenServer.start_link(Counter, mode == "kept-hibernated")
      GenServer.call(pid, :next)
      pid
    end
    Process.sleep(100)
    bytes = Enum.sum(for pid <- pids, do: Process.info(pid, :memory) |> elem(1))
    IO.puts(~s({"client":"elixir","mode":"#{mode}","requests":#{n},"wall_s":1,"cpu_s":1,"heap_per_conn":#{bytes / n}}))
  end
end

{options, [], []} =
  OptionParser.parse(System.argv(),
    strict: [host: :string, port: :integer, mode: :string, inflight: :integer, warmup: :float, seconds: :float])

case options[:mode] do
  "kept" <> _ -> Bench.memory(options[:mode], options[:inflight])
  _ -> Bench.work(options[:mode], options[:warmup], options[:seconds])
end
