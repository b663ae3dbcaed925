# Processes: their calls, links and threads.
belay_test(keep_process_from SOURCES test_process_from.c LABELS unit LIBS loop_fake test_support)
foreach(noun calls links)
  belay_test(keep_process_${noun} SOURCES test_process_${noun}.c LABELS unit LIBS process_kit)
endforeach()
belay_test(keep_process_same SOURCES test_process_same.c LABELS unit LIBS test_support)
foreach(noun threads thread_ends)
  belay_test(keep_process_${noun} SOURCES test_process_${noun}.c thread_kit.c LABELS unit LIBS test_support)
endforeach()
